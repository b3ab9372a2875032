using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>model describe</c>: what a recipe's model costs, before training it.</summary>
public static class ModelDescribeVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var recipe = RecipeChoice.Recipe();
        var depth = RecipeChoice.Depth();
        var set = Options.Set();
        var json = Options.Json();
        var command = new Command("describe", "Print parameters per part, bytes and operations per token.") { recipe, depth, set, json };
        command.SetAction(parsed =>
        {
            var chosen = RecipeChoice.Resolve(parsed.GetValue(recipe) ?? "demo", parsed.GetValue(depth), parsed.GetValue(set)!);
            var report = ModelReport.Of(ModelReport.ShapeOf(chosen));
            if (chosen.Model.Vocabulary == 0 && chosen.Tokenizer.Kind == TokenizerKind.Characters)
                environment.Error.WriteLine($"note: the vocabulary depends on the text; {report.Shape.Vocabulary} is assumed (--set model.vocabulary=N sets it).");
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(report));
            else
                Render(report, environment);
        });
        return command;
    }

    private static void Render(ModelReport report, CliEnvironment environment)
    {
        var console = environment.Console();
        var shape = report.Shape;
        console.WriteLine(
            $"{shape.Layers} layers × {shape.Width}, {shape.Heads} heads of {shape.HeadSize} ({shape.KvHeads} for keys and values), feed-forward {shape.FeedForward}, " +
            $"context {shape.Context}{(shape.MaxContext > shape.Context ? $" (longest {shape.MaxContext})" : "")}, vocabulary {Figures.Whole(shape.Vocabulary)}");
        console.WriteLine();
        Tables.Columns(console, ["part", ">parameters", ">share"],
        [
            .. report.Parts.Select(part => (string[])[part.Part, Figures.Whole(part.Parameters), Figures.Number(100 * part.Share, 1) + " %"]),
            ["total", Figures.Whole(report.Parameters), "100.0 %"],
            ["outside the tables", Figures.Whole(report.NonEmbeddingParameters), Figures.Number(100.0 * report.NonEmbeddingParameters / report.Parameters, 1) + " %"],
        ]);
        console.WriteLine();
        Tables.Pairs(console,
        [
            ("weights", $"{Figures.Bytes(report.BytesFp32)} in fp32, {Figures.Bytes(report.BytesBf16)} in bf16"),
            ("training state", $"{Figures.Bytes(report.TrainingBytes)} per replica (weights, gradient, moments; without activations)"),
            ("FLOPs per token", $"{Figures.Count(report.FlopsPerToken)} forward and backward at context {report.Context}: parameters {Figures.Count(report.FlopsPerTokenParameters)}, " +
                $"head {Figures.Count(report.FlopsPerTokenHead)}, attention {Figures.Count(report.FlopsPerTokenAttention)}"),
            ("KV cache per token", $"{Figures.Whole(report.KvCacheBytesPerTokenFp32)} bytes in fp32, {Figures.Whole(report.KvCacheBytesPerTokenBf16)} in bf16"),
        ]);
    }
}
