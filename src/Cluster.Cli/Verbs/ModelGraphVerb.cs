using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Runs;
using Cluster.Inference.Graph;
using Cluster.Inference.Graph.Passes;
using Cluster.Inference.Managed;
using Cluster.Silo.Inference;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary>What <c>model graph --json</c> prints.</summary>
/// <param name="Model">What was asked for.</param>
/// <param name="Seen">Tokens that attention sees in the costs: the context.</param>
/// <param name="Precision">Of the matrices in the costs.</param>
/// <param name="Passes">Those that were applied, in order.</param>
/// <param name="Before">The model as its formulas are written.</param>
/// <param name="After">What the managed decoder runs.</param>
public sealed record ModelGraphResult(
    string Model, int Seen, DecodePrecision Precision, IReadOnlyList<ModelGraphPass> Passes, ModelGraphListing Before, ModelGraphListing After);

/// <summary>A pass and what the graph costs behind it.</summary>
/// <param name="Name">What it is switched off by.</param>
/// <param name="Summary">What it does.</param>
/// <param name="Applied">False where it was switched off.</param>
/// <param name="Nodes">That the logits depend on, behind it.</param>
/// <param name="Cost">Of one token for those.</param>
public sealed record ModelGraphPass(string Name, string Summary, bool Applied, int Nodes, GraphCost Cost);

/// <summary>A graph and what one token costs.</summary>
/// <param name="Count">Of nodes.</param>
/// <param name="Cost">Of all.</param>
/// <param name="Nodes">In the order in which they run.</param>
public sealed record ModelGraphListing(int Count, GraphCost Cost, IReadOnlyList<ModelGraphNode> Nodes);

/// <summary>One operation.</summary>
/// <param name="Name">Its name, and that of its value.</param>
/// <param name="Op">What it does.</param>
/// <param name="Width">Values of its result.</param>
/// <param name="Inputs">Values that it reads.</param>
/// <param name="Weight">What it multiplies by or looks up, over the model's parameters; absent if none.</param>
/// <param name="Bias">What it adds; absent if none.</param>
/// <param name="Activation">What a product does at its end; absent if nothing.</param>
/// <param name="Cost">Of one token.</param>
public sealed record ModelGraphNode(
    string Name, GraphOp Op, int Width, IReadOnlyList<string> Inputs, string? Weight, string? Bias, ProductActivation? Activation, GraphCost Cost);

/// <summary><c>model graph</c>: the graph that a model decodes by, before and after its passes.</summary>
public static class ModelGraphVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string?>("--run") { Description = "The folder of a run whose model to show.", HelpName = "DIR" };
        var shape = new Option<string?>("--shape") { Description = "A shape of the benchmarks instead of a run.", HelpName = "S|M" };
        var precision = new Option<DecodePrecision>("--precision") { Description = "Of the matrices, for the bytes.", DefaultValueFactory = _ => DecodePrecision.Fp32 };
        var without = Options.Without();
        var json = Options.Json();
        var command = new Command("graph", "Print the graph that a model decodes by, before and after each pass.") { run, shape, precision, without, json };
        command.SetAction(parsed =>
        {
            var (model, name) = (parsed.GetValue(run), parsed.GetValue(shape)) switch
            {
                ({ } folder, null) => (RunSource.Open(new RunFolder(folder)).Recipe.Model, folder),
                (null, { } known) => (BenchmarkShape.Get(known).Model, $"shape {known}"),
                _ => throw new UserErrorException("Not exactly one of --run and --shape is given.", "Give the folder of a run, or S or M."),
            };
            var result = Result(name, model, parsed.GetValue(precision), parsed.GetValue(without)!);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    internal static ModelGraphResult Result(string name, ModelShape model, DecodePrecision precision, IReadOnlyCollection<string> without)
    {
        GraphPasses.Check(without);
        var before = GraphBuilder.Build(new ParameterLayout(model.Resolved()));
        var (seen, bytes) = (before.Shape.MaxContext, precision == DecodePrecision.Bf16 ? 2 : 4);
        var graph = before;
        List<ModelGraphPass> passes = [];
        foreach (var pass in GraphPasses.All)
        {
            var applied = !without.Contains(pass.Name);
            if (applied)
                graph = pass.Apply(graph);
            // A pass leaves behind what it replaces, which the last one removes: counted is what the logits depend on.
            var live = DeadNodes.Apply(graph);
            passes.Add(new(pass.Name, pass.Summary, applied, live.Nodes.Count, GraphCost.Of(live, seen, bytes)));
        }

        return new ModelGraphResult(name, seen, precision, passes, Listing(before), Listing(graph));

        ModelGraphListing Listing(ModelGraph graph) => new(graph.Nodes.Count, GraphCost.Of(graph, seen, bytes), [.. graph.Nodes.Select(node => new ModelGraphNode(
            node.Name, node.Op, node.Width, node.Inputs, node.Weight?.ToString(), node.Bias?.ToString(),
            node.Activation == ProductActivation.None ? null : node.Activation, GraphCost.Of(graph, node, seen, bytes)))]);
    }

    private static void Render(ModelGraphResult result, CliEnvironment environment)
    {
        var console = environment.Console();
        console.WriteLine($"{result.Model}: one token that sees {Figures.Whole(result.Seen)}, matrices in {result.Precision.ToString().ToLowerInvariant()}");
        Nodes("as written", result.Before);
        Nodes("as run", result.After);
        console.WriteLine();
        Tables.Columns(console, ["after pass", ">live nodes", ">FLOPs", ">weights", ">cache", ">activations", "what"],
        [
            Totals("as written", result.Before.Count, result.Before.Cost, ""),
            .. result.Passes.Select(pass => pass.Applied ? Totals(pass.Name, pass.Nodes, pass.Cost, pass.Summary) : [pass.Name, "", "", "", "", "", "left out"]),
            Totals("as run", result.After.Count, result.After.Cost, ""),
        ]);

        void Nodes(string title, ModelGraphListing graph)
        {
            console.WriteLine();
            var hidden = graph.Nodes.Count(node => Repeated(node.Name));
            console.WriteLine($"{title}: {Figures.Whole(graph.Count)} nodes{(hidden > 0 ? $", {Figures.Whole(hidden)} of them in further blocks (--json shows them)" : "")}");
            Tables.Columns(console, ["node", "operation", ">width", ">FLOPs", ">weights", "of", "weights and biases"],
                graph.Nodes.Where(node => !Repeated(node.Name)).Select(node => (string[])
                [
                    node.Name, Operation(node), Figures.Whole(node.Width), Figures.Count(node.Cost.Flops), Figures.Bytes(node.Cost.WeightBytes),
                    string.Join(", ", node.Inputs), string.Join(" + ", new[] { node.Weight, node.Bias }.Where(text => text is not null)),
                ]));
        }

        static bool Repeated(string name) => name.StartsWith("blocks.", StringComparison.Ordinal) && !name.StartsWith("blocks.0.", StringComparison.Ordinal)
            && !name.StartsWith("blocks.1.attention_norm", StringComparison.Ordinal);

        static string Operation(ModelGraphNode node) => node.Activation is { } activation ? $"{node.Op} {activation}" : node.Op.ToString();

        static string[] Totals(string name, int nodes, GraphCost cost, string what) =>
        [
            name, Figures.Whole(nodes), Figures.Count(cost.Flops), Figures.Bytes(cost.WeightBytes), Figures.Bytes(cost.CacheBytes), Figures.Bytes(cost.ActivationBytes), what,
        ];
    }
}
