using Cluster.Core.Errors;

namespace Cluster.Inference.Sampling;

/// <summary>How a reply is drawn and when it ends. The defaults draw from the model's distribution as it is.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most stop tokens, and most stop strings.</summary>
    public const int MaxStops = 16;

    /// <summary>Longest stop string, in chars.</summary>
    public const int MaxStopLength = 256;

    /// <summary>Most tokens of the reply, 1–1,048,576.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Logits are divided by it, 0–100; 0 takes the most probable token (greedy).</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only so many of the most probable tokens are drawn from (Fan, Lewis, Dauphin, 2018); 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Only the fewest most probable tokens whose probabilities reach this sum are drawn from (nucleus sampling — Holtzman et al.,
    /// 2020), above 0 and at most 1; 1 for all. Taken after temperature and <see cref="TopK"/>, over what these leave.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>
    /// Positive logits of tokens already in prompt or reply are divided by it, negative ones multiplied (Keskar et al., "CTRL", 2019),
    /// above 0 and at most 100; 1 for none.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Ids that end the reply; not part of its text. At most 16.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Strings that end the reply where they first appear in its text; not part of it. At most 16, of 1–256 chars.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>With request number and position, decides every draw.</summary>
    public ulong Seed { get; init; }

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
        CheckList("stop_tokens", $"a list of {StopTokens.Count} ids", StopTokens.Count <= MaxStops, $"Give at most {MaxStops}.");
        foreach (var id in StopTokens)
            CheckList("stop_tokens", $"a list with the id {id}", id >= 0 && id < vocabulary, $"Give ids from 0 to {vocabulary - 1}.");
        CheckList("stop", $"a list of {StopStrings.Count} strings", StopStrings.Count <= MaxStops, $"Give at most {MaxStops}.");
        foreach (var stop in StopStrings)
            CheckList("stop", $"a list with a string of {stop.Length} chars", stop.Length is >= 1 and <= MaxStopLength, $"Give strings of 1 to {MaxStopLength} chars.");

        static void Check(string field, double value, bool holds, string remedy) =>
            CheckList(field, FormattableString.Invariant($"{value}"), holds, remedy);

        static void CheckList(string field, string value, bool holds, string remedy)
        {
            if (!holds)
                throw new UserErrorException($"{field} is {value}.", remedy);
        }
    }
}
