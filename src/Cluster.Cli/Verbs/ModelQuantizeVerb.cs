using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;
using Cluster.Inference.Quantization;
using Cluster.Silo.Streamlining;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>model quantize</c>: a run's model in 8 or 4 bits, if it stays as good.</summary>
public static class ModelQuantizeVerb
{
    // 4 bits cost more, and whoever asks for them knows; 1 % is what nobody notices.
    private const double Bound = 1, BoundOf4Bits = 5;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string>("--run") { Description = "The run's folder.", HelpName = "DIR", Required = true };
        var format = new Option<string>("--format")
        {
            Description = "Of weights: int8 (a scale per output), int8-group or int4 (a scale per 32 inputs).",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "int8",
        };
        var head = new Option<string?>("--head") { Description = "Of the head and the token embedding; as --format, and int8-group beside int4, if not given.", HelpName = "FORMAT" };
        var activations = new Option<string>("--activations")
        {
            Description = "What enters the products: int8 (fast: whole numbers throughout) or fp32.",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "int8",
        };
        var headActivations = new Option<string?>("--head-activations") { Description = "The same for the head; as --activations if not given.", HelpName = "FORMAT" };
        var kv = new Option<string>("--kv") { Description = "Of cached keys and values: fp32, bf16 or int8.", HelpName = "FORMAT", DefaultValueFactory = _ => "fp32" };
        var bound = new Option<string?>("--bound")
        {
            Description = FormattableString.Invariant($"Largest growth of bits per byte on the validation text, as in 1%; {Bound}% if not given, {BoundOf4Bits}% for int4. A model beyond it is not published."),
            HelpName = "PERCENT",
        };
        var name = new Option<string?>("--name") { Description = "Of the quantised model: it is served as RUN:NAME. The format's if not given.", HelpName = "NAME" };
        var threads = Options.Threads();
        var json = Options.Json();
        var command = new Command("quantize", "Write a run's model in 8 or 4 bits, calibrated on held-out text, unless its loss grows beyond a bound.")
        {
            run, format, head, activations, headActivations, kv, bound, name, threads, json,
        };
        command.SetAction(parsed =>
        {
            var weights = WeightFormats.Parse("--format", parsed.GetValue(format)!);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            var scheme = QuantizationScheme.Of(weights);
            var inputs = ActivationFormats.Parse("--activations", parsed.GetValue(activations)!);
            scheme = scheme with
            {
                Head = parsed.GetValue(head) is { } other ? WeightFormats.Parse("--head", other) : scheme.Head,
                Activations = inputs,
                HeadActivations = parsed.GetValue(headActivations) is { } own ? ActivationFormats.Parse("--head-activations", own) : inputs,
                Cache = CacheFormats.Parse("--kv", parsed.GetValue(kv)!),
            };
            var most = parsed.GetValue(bound) is { } text ? Options.Percent("--bound", text) : weights == WeightFormat.Int4Group ? BoundOf4Bits : Bound;
            var result = RunQuantizer.Run(
                new QuantizeRequest(new RunFolder(parsed.GetRequiredValue(run)), scheme, parsed.GetValue(name) ?? weights.Name, most, parsed.GetValue(threads)),
                line => environment.Error.WriteLine(PlainText.OneLine(line)), environment.Interrupts.Listen());
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    private static void Render(QuantizeResult result, CliEnvironment environment)
    {
        var console = environment.Console();
        var figures = result.Manifest.Figures;
        var rows = new List<IReadOnlyList<string>>
        {
            new[] { "size", Figures.Bytes(figures.BytesBefore), Figures.Bytes(figures.Bytes), Figures.Number(result.SizeShare, 3) + " times" },
            new[] { "tokens/s, alone", Figures.Number(figures.TokensPerSecondBefore, 0), Figures.Number(figures.TokensPerSecond, 0), Figures.Number(figures.TokensPerSecond / figures.TokensPerSecondBefore, 2) + " times" },
            new[] { "bits per byte", Figures.Number(figures.BitsPerByteBefore, 4), Figures.Number(figures.BitsPerByte, 4), Signed(result.GrowthPercent) },
        };
        if (result.DialogueGrowthPercent is { } growth)
            rows.Add(["bits per byte of answers", Figures.Number(figures.DialogueBitsPerByteBefore!.Value, 4), Figures.Number(figures.DialogueBitsPerByte!.Value, 4), Signed(growth)]);
        Tables.Columns(console, ["", ">fp32", ">" + result.Manifest.Scheme.Weights.Name, ">"], rows);
        console.WriteLine();
        console.WriteLine($"Published as {result.Model} in {result.Path}");
        console.WriteLine($"  cluster generate --run {System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(result.Path))} --quantized {System.IO.Path.GetFileName(result.Path)} --prompt …");
    }

    private static string Signed(double percent) => (percent >= 0 ? "+" : "") + Figures.Number(percent, 2) + " %";
}
