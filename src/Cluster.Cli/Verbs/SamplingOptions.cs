using System.CommandLine;
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
    private readonly Option<ulong> _seed = new("--seed") { Description = "The same seed gives the same reply.", HelpName = "N" };
    private readonly Option<int> _maxTokens = new("--max-tokens") { Description = "Most tokens of a reply.", HelpName = "N", DefaultValueFactory = _ => 128 };
    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the reply; may be given again.", HelpName = "TEXT", DefaultValueFactory = _ => [] };

    public SamplingOptions(Command command, double temperature)
    {
        _temperature = new("--temperature") { Description = "Divides the logits; 0 is greedy.", HelpName = "T", DefaultValueFactory = _ => temperature };
        foreach (var option in (Option[])[_greedy, _temperature, _topK, _topP, _penalty, _seed, _maxTokens, _stop])
            command.Options.Add(option);
    }

    public GenerationOptions Of(ParseResult parsed) => new()
    {
        Temperature = parsed.GetValue(_greedy) ? 0 : parsed.GetValue(_temperature),
        TopK = parsed.GetValue(_topK),
        TopP = parsed.GetValue(_topP),
        RepetitionPenalty = parsed.GetValue(_penalty),
        Seed = parsed.GetValue(_seed),
        MaxTokens = parsed.GetValue(_maxTokens),
        StopStrings = parsed.GetValue(_stop)!,
    };
}
