using Cluster.Core.Errors;
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
        { "stop_tokens is a list with the id 80.", new() { StopTokens = [80] } },
        { "stop_tokens is a list of 17 ids.", new() { StopTokens = new int[17] } },
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
        new GenerationOptions { MaxTokens = 1_048_576, Temperature = 100, TopK = int.MaxValue, TopP = 1e-9, StopTokens = [79], StopStrings = [new string('a', 256)] }.Validate(80);
    }
}
