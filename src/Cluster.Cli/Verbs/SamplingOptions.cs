using System.CommandLine;
using System.Globalization;
using Cluster.Core.Errors;
using Cluster.Inference.Constraints;
using Cluster.Inference.Sampling;

namespace Cluster.Cli.Verbs;

/// <summary>The options of generate and chat that say how tokens are drawn.</summary>
internal sealed class SamplingOptions
{
    private readonly Option<bool> _greedy = new("--greedy") { Description = "Always the most probable token; the others of these options are then not used." };
    private readonly Option<double> _temperature;
    private readonly Option<int> _topK = new("--top-k") { Description = "Draw from so many of the most probable tokens; 0 for all.", HelpName = "N", DefaultValueFactory = _ => 40 };
    private readonly Option<double> _topP = new("--top-p") { Description = "Draw from the fewest tokens of this probability together.", HelpName = "P", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _penalty = new("--repetition-penalty") { Description = "Makes tokens that were there already less probable; 1 for none.", HelpName = "X", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _minP = new("--min-p") { Description = "Draw from tokens at least this share as probable as the most probable one; 0 for all.", HelpName = "P" };
    private readonly Option<double> _presence = new("--presence-penalty") { Description = "Taken from the logits of tokens that are in the reply, -2 to 2.", HelpName = "X" };
    private readonly Option<double> _frequency = new("--frequency-penalty") { Description = "Taken from a token's logit as often as it is in the reply, -2 to 2.", HelpName = "X" };
    private readonly Option<string[]> _bias = new("--logit-bias") { Description = "Added to a token's logit, as ID=X with -100 to 100; may be given again.", HelpName = "ID=X", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _format = new("--format") { Description = "json for any JSON object, or a file with a JSON Schema that replies must fit.", HelpName = "json|FILE" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "The same seed gives the same reply.", HelpName = "N" };
    private readonly Option<int> _maxTokens = new("--max-tokens") { Description = "Most tokens of a reply.", HelpName = "N", DefaultValueFactory = _ => 128 };
    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the reply; may be given again.", HelpName = "TEXT", DefaultValueFactory = _ => [] };

    public SamplingOptions(Command command, double temperature)
    {
        _temperature = new("--temperature") { Description = "Divides the logits; 0 is greedy.", HelpName = "T", DefaultValueFactory = _ => temperature };
        foreach (var option in (Option[])[_greedy, _temperature, _topK, _topP, _minP, _penalty, _presence, _frequency, _bias, _seed, _maxTokens, _stop, _format])
            command.Options.Add(option);
    }

    /// <exception cref="UserErrorException">A bias is not of the form ID=X, or the schema cannot be read or used.</exception>
    public GenerationOptions Of(ParseResult parsed) => new()
    {
        Temperature = parsed.GetValue(_greedy) ? 0 : parsed.GetValue(_temperature),
        TopK = parsed.GetValue(_topK),
        TopP = parsed.GetValue(_topP),
        RepetitionPenalty = parsed.GetValue(_penalty),
        Seed = parsed.GetValue(_seed),
        MaxTokens = parsed.GetValue(_maxTokens),
        StopStrings = parsed.GetValue(_stop)!,
        MinP = parsed.GetValue(_minP),
        PresencePenalty = parsed.GetValue(_presence),
        FrequencyPenalty = parsed.GetValue(_frequency),
        LogitBias = Biases(parsed.GetValue(_bias)!),
        Format = Format(parsed.GetValue(_format)),
    };

    private static Dictionary<int, double> Biases(string[] given)
    {
        var biases = new Dictionary<int, double>();
        foreach (var text in given)
        {
            var parts = text.Split('=');
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var bias))
                throw new UserErrorException($"--logit-bias is \"{text}\".", "Give a token id and a number, as 17=-5.");
            biases[id] = bias;
        }

        return biases;
    }

    private static ResponseFormat? Format(string? given)
    {
        if (given is null or "json")
            return given is null ? null : ResponseFormat.JsonObject;
        try
        {
            return ResponseFormat.JsonSchema(File.ReadAllText(given));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"--format is \"{given}\", which cannot be read: {error.Message}", "Give json, or a file with a JSON Schema.", error);
        }
    }
}
