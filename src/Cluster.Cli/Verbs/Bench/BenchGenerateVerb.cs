using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench generate</c>.</summary>
internal static class BenchGenerateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        Option<string> shape = BenchOptions.Shape();
        var precision = new Option<DecodePrecision>("--precision")
        {
            Description = "bf16 or fp32 weights.",
            DefaultValueFactory = _ => DecodePrecision.Fp32,
        };
        var quantized = new Option<string?>("--quantized")
        {
            Description = "Weights in int8, int8-group or int4 instead of --precision.",
            HelpName = "FORMAT",
        };
        var activations = new Option<string>("--activations")
        {
            Description = "What enters products of quantised weights: int8 or fp32.",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "int8",
        };
        var kv = new Option<string>("--kv")
        {
            Description = "Keys and values beside quantised weights: fp32, bf16 or int8.",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "fp32",
        };
        var batch = new Option<int>("--batch") { Description = "Sequences at once.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads")
        {
            Description = "Threads that compute.",
            HelpName = "T",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var without = Options.Without();
        var passes = new Option<bool>("--passes") { Description = "Measure what each pass brings too." };
        var json = Options.Json();
        var command = new Command("generate", "Prefill and decode beside the speed of reading; ends with 1 where a batch changes a reply.")
        {
            shape, precision, quantized, activations, kv, batch, threads, without, passes, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--batch", parsed.GetValue(batch), 1, 256);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            var inputs = ActivationFormats.Parse("--activations", parsed.GetValue(activations)!);
            var cache = CacheFormats.Parse("--kv", parsed.GetValue(kv)!);
            var scheme = parsed.GetValue(quantized) is { } format
                ? QuantizationScheme.Of(WeightFormats.Parse("--quantized", format)) with
                {
                    Activations = inputs,
                    HeadActivations = inputs,
                    Cache = cache
                }
                : null;
            var result = await GenerateBenchmark.RunAsync(parsed.GetRequiredValue(shape), parsed.GetValue(precision), scheme,
                parsed.GetValue(batch),
                parsed.GetValue(threads), parsed.GetValue(without)!, parsed.GetValue(passes), environment.Interrupts.Listen());
            BenchOptions.Print(environment, parsed.GetValue(json), result with { Passes = parsed.GetValue(json) ? result.Passes : null });
            if (!parsed.GetValue(json) && result.Passes is { } effects)
            {
                Tables.Columns(environment.Console(), ["pass", ">tokens/s without", ">with", ">gain"],
                    effects.Select(effect => (string[])[effect.Pass, Figures.Number(effect.TokensPerSecondWithout, 1),
                        Figures.Number(effect.TokensPerSecondWith, 1), Figures.Number(effect.Gain, 3)]));
            }

            return result.Replies == GenerateBenchmarkResult.Equal ? 0 : 1;
        });
        return command;
    }
}
