using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;
using Cluster.Data.Dialogues;
using Cluster.Silo.Inference;

namespace Cluster.Cli.Verbs;

/// <summary>What <c>generate --json</c> prints.</summary>
/// <param name="Prompt">As given.</param>
/// <param name="Text">What the model wrote.</param>
/// <param name="Ids">Its tokens.</param>
/// <param name="Finish">stop, length, context or cancelled.</param>
/// <param name="WeightsSha256">Of the model.</param>
/// <param name="TokensPerSecond">Prompt included in the time, not in the tokens.</param>
public sealed record GenerationResult(string Prompt, string Text, IReadOnlyList<int> Ids, string Finish, string WeightsSha256, double TokensPerSecond);

/// <summary><c>generate</c>: one text from a run's model.</summary>
public static class GenerateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string>("--run") { Description = "The run's folder.", HelpName = "DIR", Required = true };
        var prompt = new Option<string>("--prompt") { Description = "What the model goes on from, or answers.", HelpName = "TEXT", Required = true };
        var ask = new Option<bool>("--ask") { Description = "Ask it as a chat's user instead of letting it go on with the text." };
        var quantized = Options.Quantized();
        var json = Options.Json();
        var command = new Command("generate", "Let a run's model write.") { run, prompt, ask, quantized, json };
        var sampling = new SamplingOptions(command, temperature: 0.8);
        command.SetAction(parsed =>
        {
            var cancellation = environment.Interrupts.Listen();
            using var model = RunModel.Open(new RunFolder(parsed.GetRequiredValue(run)), environment.Error.WriteLine, quantized: parsed.GetValue(quantized));
            var text = parsed.GetRequiredValue(prompt);
            var options = sampling.Of(parsed);
            var reply = parsed.GetValue(ask)
                ? model.Reply([new ChatMessage(ChatRole.User, text)], options, cancellation)
                : model.Write(text, options, cancellation);
            var written = new StringBuilder();
            var start = Stopwatch.GetTimestamp();
            foreach (var token in reply)
            {
                written.Append(token.Text);
                if (!parsed.GetValue(json))
                    environment.Output.Write(environment.OutputIsTerminal ? PlainText.Clean(token.Text) : token.Text);
            }

            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(new GenerationResult(text, written.ToString(), [.. reply.Ids],
                    reply.Finish.ToString()!.ToLowerInvariant(), model.Weights.Sha256, Math.Round(reply.Ids.Length / seconds, 1))));
            }
            else
            {
                environment.Output.WriteLine();
            }

            cancellation.ThrowIfCancellationRequested();
        });
        return command;
    }
}
