using System.Collections.ObjectModel;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Inference.Constraints;

namespace Cluster.Inference.Sampling;

/// <summary>
/// How a reply is drawn and when it ends. The defaults draw from the model's distribution as it is. In this order: the format rules
/// tokens out, penalties (repetition, then frequency and presence) and bias change the logits, temperature divides them, and min-p,
/// top-k and top-p choose which tokens are drawn from.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>Most stop tokens, and most stop strings.</summary>
    public const int MaxStops = 16;

    /// <summary>Longest stop string, in chars.</summary>
    public const int MaxStopLength = 256;

    /// <summary>Most entries of <see cref="LogitBias"/>.</summary>
    public const int MaxBiases = 300;

    /// <summary>Most alternatives reported for each token.</summary>
    public const int MaxTopLogProbabilities = 20;

    /// <summary>Most replies to one prompt.</summary>
    public const int MaxChoices = 16;

    /// <summary>Most tokens of the reply, 1–1,048,576.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Logits are divided by it, 0–100; 0 takes the most probable token (greedy).</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only so many of the most probable tokens are drawn from (Fan, Lewis, Dauphin, 2018); 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Only the fewest most probable tokens whose probabilities reach this sum are drawn from (nucleus sampling — Holtzman et al.,
    /// 2020), above 0 and at most 1; 1 for all. Taken after temperature, <see cref="MinP"/> and <see cref="TopK"/>, over what these leave.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>
    /// Only tokens at least this share as probable as the most probable one are drawn from (Nguyen et al., "Turning up the heat: min-p
    /// sampling", 2024), 0–1; 0 for all. Taken after temperature.
    /// </summary>
    public double MinP { get; init; }

    /// <summary>
    /// Positive logits of tokens already in prompt or reply are divided by it, negative ones multiplied (Keskar et al., "CTRL", 2019),
    /// above 0 and at most 100; 1 for none.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken once from the logit of each token that is in the reply already (OpenAI's definition), −2 to 2.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Taken from a token's logit as often as it is in the reply already (OpenAI's definition), −2 to 2.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of these ids after the penalties, which leave it whole; −100 to 100, at most 300 ids.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = ReadOnlyDictionary<int, double>.Empty;

    /// <summary>For each token, so many of the most probable ones are reported with their log-probabilities, 0–20.</summary>
    public int TopLogProbabilities { get; init; }

    /// <summary>Replies to the prompt, 1–16, each drawn for itself: see <see cref="OfChoice"/>.</summary>
    public int Choices { get; init; } = 1;

    /// <summary>Ids that end the reply; not part of its text. At most 16.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Strings that end the reply where they first appear in its text; not part of it. At most 16, of 1–256 chars.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>
    /// The form that the reply must have, null for none: tokens that leave it are not drawn, whatever their logits. It is complete if the
    /// reply ends with a stop token; a reply that ends with its length or a stop string is the beginning of such a form.
    /// Needs <see cref="StopTokens"/>, which come only then.
    /// </summary>
    public ResponseFormat? Format { get; init; }

    /// <summary>With request number and position, decides every draw.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// The options of one of the replies to a prompt, as if it had been asked for alone. The first keeps the seed; that of reply i is
    /// number i of the stream of random numbers that belongs to the request.
    /// </summary>
    /// <param name="choice">Which, from 0.</param>
    /// <param name="request">As for drawing tokens.</param>
    public GenerationOptions OfChoice(int choice, ulong request) => this with
    {
        Choices = 1,
        Seed = choice == 0 ? Seed : new CounterRandom(Seed, RandomPurpose.Choice, request).UInt64((ulong)choice),
    };

    /// <summary>Checks every field.</summary>
    /// <param name="vocabulary">Ids are below this.</param>
    /// <exception cref="UserErrorException">A field is out of its range; the message names field, value and range.</exception>
    public void Validate(int vocabulary)
    {
        Check("max_tokens", MaxTokens, MaxTokens is >= 1 and <= 1_048_576, "Give a whole number from 1 to 1048576.");
        Check("temperature", Temperature, Temperature is >= 0 and <= 100, "Give 0 (greedy) or a number up to 100.");
        Check("top_k", TopK, TopK >= 0, "Give 0 (all tokens) or a number of tokens.");
        Check("top_p", TopP, TopP is > 0 and <= 1, "Give a number above 0 and at most 1.");
        Check("repetition_penalty", RepetitionPenalty, RepetitionPenalty is > 0 and <= 100, "Give 1 (none) or a number above 0 and at most 100.");
        Check("min_p", MinP, MinP is >= 0 and <= 1, "Give a number from 0 to 1.");
        Check("presence_penalty", PresencePenalty, PresencePenalty is >= -2 and <= 2, "Give a number from -2 to 2.");
        Check("frequency_penalty", FrequencyPenalty, FrequencyPenalty is >= -2 and <= 2, "Give a number from -2 to 2.");
        Check("top_logprobs", TopLogProbabilities, TopLogProbabilities is >= 0 and <= MaxTopLogProbabilities,
            $"Give a whole number from 0 to {MaxTopLogProbabilities}.");
        Check("n", Choices, Choices is >= 1 and <= MaxChoices, $"Give a whole number from 1 to {MaxChoices}.");
        CheckList("logit_bias", $"a map of {LogitBias.Count} ids", LogitBias.Count <= MaxBiases, $"Give at most {MaxBiases}.");
        foreach (var (id, bias) in LogitBias)
        {
            CheckList("logit_bias", $"a map with the id {id}", id >= 0 && id < vocabulary, $"Give ids from 0 to {vocabulary - 1}.");
            CheckList("logit_bias", FormattableString.Invariant($"{bias} for the id {id}"), bias is >= -100 and <= 100, "Give numbers from -100 to 100.");
        }

        CheckList("stop_tokens", $"a list of {StopTokens.Count} ids", StopTokens.Count <= MaxStops, $"Give at most {MaxStops}.");
        foreach (var id in StopTokens)
            CheckList("stop_tokens", $"a list with the id {id}", id >= 0 && id < vocabulary, $"Give ids from 0 to {vocabulary - 1}.");
        CheckList("stop", $"a list of {StopStrings.Count} strings", StopStrings.Count <= MaxStops, $"Give at most {MaxStops}.");
        foreach (var stop in StopStrings)
            CheckList("stop", $"a list with a string of {stop.Length} chars", stop.Length is >= 1 and <= MaxStopLength, $"Give strings of 1 to {MaxStopLength} chars.");

        CheckList("stop_tokens", "empty beside response_format", Format is null || StopTokens.Count > 0, "Give the token that ends a reply: nothing else may follow a complete document.");

        static void Check(string field, double value, bool holds, string remedy) =>
            CheckList(field, FormattableString.Invariant($"{value}"), holds, remedy);

        static void CheckList(string field, string value, bool holds, string remedy)
        {
            if (!holds)
                throw new UserErrorException($"{field} is {value}.", remedy);
        }
    }
}
