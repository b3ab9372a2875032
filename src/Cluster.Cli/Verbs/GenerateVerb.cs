using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Dialogues;
using Cluster.Data.Tokens;
using Cluster.Inference.Generation;
using Cluster.Silo.Inference;

namespace Cluster.Cli.Verbs;

/// <summary>What <c>generate --json</c> prints.</summary>
/// <param name="Prompt">As given.</param>
/// <param name="Text">What the model wrote; the first of several replies.</param>
/// <param name="Ids">Its tokens.</param>
/// <param name="Finish">stop, length, context or cancelled.</param>
/// <param name="WeightsSha256">Of the model.</param>
/// <param name="TokensPerSecond">Of all replies; the prompt is included in the time, not in the tokens.</param>
/// <param name="Tokens">Its tokens one by one, where log-probabilities were asked for.</param>
/// <param name="Choices">All replies, where several were asked for.</param>
public sealed record GenerationResult(
    string Prompt, string Text, IReadOnlyList<int> Ids, string Finish, string WeightsSha256, double TokensPerSecond, IReadOnlyList<GenerationToken>? Tokens,
    IReadOnlyList<GenerationChoice>? Choices);

/// <summary>One of several replies.</summary>
/// <param name="Text">What the model wrote.</param>
/// <param name="Ids">Its tokens.</param>
/// <param name="Finish">stop, length, context or cancelled.</param>
/// <param name="Tokens">Its tokens one by one, where log-probabilities were asked for.</param>
public sealed record GenerationChoice(string Text, IReadOnlyList<int> Ids, string Finish, IReadOnlyList<GenerationToken>? Tokens);

/// <summary>A token of a reply.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">Its own text, � where it is no whole character.</param>
/// <param name="Logprob">Natural logarithm of its probability under the model itself.</param>
/// <param name="Top">The most probable tokens in its place; null if none were asked for.</param>
public sealed record GenerationToken(int Id, string Text, double Logprob, IReadOnlyList<GenerationToken>? Top);

/// <summary><c>generate</c>: texts from a run's model.</summary>
public static class GenerateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string>("--run") { Description = "The run's folder.", HelpName = "DIR", Required = true };
        var prompt = new Option<string>("--prompt") { Description = "What the model goes on from, or answers.", HelpName = "TEXT", Required = true };
        var ask = new Option<bool>("--ask") { Description = "Ask it as a chat's user instead of letting it go on with the text." };
        var quantized = Options.Quantized();
        var count = new Option<int>("--n") { Description = "Replies to the prompt, each drawn for itself.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var logprobs = new Option<int?>("--logprobs") { Description = "With --json: each token's log-probability, and so many of the most probable ones in its place.", HelpName = "K" };
        var json = Options.Json();
        var command = new Command("generate", "Let a run's model write.") { run, prompt, ask, quantized, count, logprobs, json };
        var sampling = new SamplingOptions(command, temperature: 0.8);
        command.SetAction(parsed =>
        {
            var cancellation = environment.Interrupts.Listen();
            var isJson = parsed.GetValue(json);
            if (parsed.GetValue(logprobs) is { } asked && !isJson)
                throw new UserErrorException(FormattableString.Invariant($"--logprobs is {asked} without --json."), "Give --json too.");
            var options = sampling.Of(parsed) with { Choices = parsed.GetValue(count), TopLogProbabilities = parsed.GetValue(logprobs) ?? 0 };
            using var model = RunModel.Open(new RunFolder(parsed.GetRequiredValue(run)), environment.Error.WriteLine, quantized: parsed.GetValue(quantized));
            var text = parsed.GetRequiredValue(prompt);
            var replies = parsed.GetValue(ask)
                ? model.ReplyChoices([new ChatMessage(ChatRole.User, text)], options, cancellation)
                : model.WriteChoices(text, options, cancellation);
            var choices = new List<GenerationChoice>();
            var start = Stopwatch.GetTimestamp();
            foreach (var reply in replies)
            {
                if (!isJson && options.Choices > 1)
                    environment.Output.WriteLine(FormattableString.Invariant($"[{choices.Count + 1}]"));
                choices.Add(Write(reply, model.Tokenizer, parsed.GetValue(logprobs) is not null, isJson ? null : environment));
            }

            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (isJson)
            {
                environment.Output.WriteLine(RunJson.Document(new GenerationResult(text, choices[0].Text, choices[0].Ids, choices[0].Finish,
                    model.Weights.Sha256, Math.Round(choices.Sum(choice => choice.Ids.Count) / seconds, 1), choices[0].Tokens,
                    choices.Count == 1 ? null : choices)));
            }

            cancellation.ThrowIfCancellationRequested();
        });
        return command;
    }

    /// <summary>Draws a reply to its end, showing it meanwhile if there is where to.</summary>
    private static GenerationChoice Write(ReplyStream reply, ITokenizer tokenizer, bool logprobs, CliEnvironment? shown)
    {
        var written = new StringBuilder();
        var tokens = logprobs ? new List<GenerationToken>() : null;
        foreach (var token in reply)
        {
            written.Append(token.Text);
            tokens?.Add(Token(token.Id, token.LogProbability, token.Top?.Select(top => Token(top.Id, top.LogProbability, null)).ToArray()));
            shown?.Output.Write(shown.OutputIsTerminal ? PlainText.Clean(token.Text) : token.Text);
        }

        shown?.Output.WriteLine();
        return new GenerationChoice(written.ToString(), [.. reply.Ids], reply.Finish.ToString()!.ToLowerInvariant(), tokens);

        // JSON has no infinity, which a token that may not be drawn has.
        GenerationToken Token(int id, float logprob, GenerationToken[]? top) =>
            new(id, Encoding.UTF8.GetString(tokenizer.TokenBytes(id)), Math.Max(logprob, -9_999), top);
    }
}
