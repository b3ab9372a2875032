using Cluster.Core.Errors;
using Cluster.Inference.Constraints;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Tests.Sampling;

public class GenerationOptionsTests
{
    public static TheoryData<string, GenerationOptions> Bad() => new()
    {
        { "max_tokens is 0.", new() { MaxTokens = 0 } },
        { "temperature is -0.5.", new() { Temperature = -0.5 } },
        { "temperature is NaN.", new() { Temperature = double.NaN } },
        { "top_k is -1.", new() { TopK = -1 } },
        { "top_p is 0.", new() { TopP = 0 } },
        { "top_p is 1.5.", new() { TopP = 1.5 } },
        { "repetition_penalty is 0.", new() { RepetitionPenalty = 0 } },
        { "min_p is -0.1.", new() { MinP = -0.1 } },
        { "min_p is 1.1.", new() { MinP = 1.1 } },
        { "presence_penalty is 2.5.", new() { PresencePenalty = 2.5 } },
        { "frequency_penalty is NaN.", new() { FrequencyPenalty = double.NaN } },
        { "top_logprobs is 21.", new() { TopLogProbabilities = 21 } },
        { "n is 0.", new() { Choices = 0 } },
        { "n is 17.", new() { Choices = 17 } },
        { "logit_bias is a map of 301 ids.", new() { LogitBias = Enumerable.Range(0, 301).ToDictionary(id => id, _ => 1.0) } },
        { "logit_bias is a map with the id 80.", new() { LogitBias = new Dictionary<int, double> { [80] = 1 } } },
        { "logit_bias is 100.5 for the id 3.", new() { LogitBias = new Dictionary<int, double> { [3] = 100.5 } } },
        { "stop_tokens is a list with the id 80.", new() { StopTokens = [80] } },
        { "stop_tokens is a list of 17 ids.", new() { StopTokens = new int[17] } },
        { "stop_tokens is empty beside response_format.", new() { Format = ResponseFormat.JsonObject } },
        { "stop is a list of 1000 strings.", new() { StopStrings = [.. Enumerable.Repeat("a", 1_000)] } },
        { "stop is a list with a string of 0 chars.", new() { StopStrings = [""] } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void Validate_FieldOutOfRange_NamesFieldAndValue(string what, GenerationOptions options) =>
        Assert.Equal(what, Assert.Throws<UserErrorException>(() => options.Validate(vocabulary: 80)).What);

    [Fact]
    public void Validate_DefaultsAndBounds_Pass()
    {
        new GenerationOptions().Validate(1);
        new GenerationOptions
        {
            MinP = 1,
            PresencePenalty = -2,
            FrequencyPenalty = 2,
            TopLogProbabilities = 20,
            Choices = 16,
            LogitBias = new Dictionary<int, double> { [0] = -100, [79] = 100 },
            Format = ResponseFormat.JsonSchema("{}"),
            StopTokens = [0],
        }.Validate(80);
        new GenerationOptions { MaxTokens = 1_048_576, Temperature = 100, TopK = int.MaxValue, TopP = 1e-9, StopTokens = [79], StopStrings = [new string('a', 256)] }.Validate(80);
    }

    [Fact]
    public void OfChoice_SeedsDifferByChoiceAndRequest_TheFirstKeepsItsOwn()
    {
        var options = new GenerationOptions { Choices = 3, Seed = 5 };
        Assert.Equal(options with { Choices = 1 }, options.OfChoice(0, request: 9));
        ulong[] seeds =
        [
            .. Enumerable.Range(0, 3).Select(i => options.OfChoice(i, 9).Seed),
            options.OfChoice(1, 8).Seed,
            (options with { Seed = 6 }).OfChoice(1, 9).Seed,
        ];
        Assert.Equal(seeds.Length, seeds.Distinct().Count());
        Assert.Equal(seeds[2], options.OfChoice(2, 9).Seed);
    }

    [Fact]
    public void Format_SameSchema_Equal()
    {
        var format = ResponseFormat.JsonSchema("""{"type":"object"}""");
        Assert.Equal(ResponseFormat.JsonObject, format);
        Assert.Equal(ResponseFormat.JsonObject.GetHashCode(), format.GetHashCode());
        Assert.NotEqual(format, ResponseFormat.JsonSchema("{}"));
        Assert.Equal("{}", ResponseFormat.JsonSchema("{}").Schema);
    }
}
