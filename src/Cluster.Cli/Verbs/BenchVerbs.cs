using System.CommandLine;
using System.Text.Json;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Runs;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;
using Cluster.Model.Decode;

namespace Cluster.Cli.Verbs;

/// <summary><c>bench</c>: figures of this machine, to be set beside others measured on it.</summary>
public static class BenchVerbs
{
    /// <summary>The command with its kinds.</summary>
    public static Command Create(CliEnvironment environment) => new("bench", "Measure this machine.")
    {
        Train(environment),
        TrainOptions(environment),
        Reduction(environment),
        MetricsCost(environment),
        Tokenizer(environment),
        Corpus(environment),
        Generate(environment),
        Prefill(environment),
        Serve(environment),
        AllReduce(environment),
        Simulate(environment),
        Chaos(environment),
        Balance(environment),
        AllReduceMemberCommand(environment),
    };

    private static Command Train(CliEnvironment environment)
    {
        Option<string> shape = Shape();
        var precision = new Option<Precision>("--precision") { Description = "bf16, fp32, or auto for what this machine is best at.", DefaultValueFactory = _ => Precision.Auto };
        var replicas = new Option<int>("--replicas") { Description = "Replicas.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var threads = new Option<int>("--threads") { Description = "Threads of each replica.", HelpName = "T", DefaultValueFactory = _ => 1 };
        var processes = new Option<bool>("--processes") { Description = "A silo process for each replica." };
        var steps = new Option<long>("--steps") { Description = "Steps to time.", HelpName = "N", DefaultValueFactory = _ => 20 };
        var eager = new Option<bool>("--beside-eager") { Description = "Time the same steps in the tensor library's own eager operations too." };
        var set = Options.Set();
        var json = Options.Json();
        var command = new Command("train", "Training steps of the whole path on synthetic tokens.") { shape, precision, replicas, threads, processes, steps, eager, set, json };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 256);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--steps", parsed.GetValue(steps), 2, 90_000);
            Print(environment, parsed.GetValue(json), await TrainBenchmark.RunAsync(
                parsed.GetRequiredValue(shape), parsed.GetValue(precision), parsed.GetValue(replicas), parsed.GetValue(threads), parsed.GetValue(processes),
                parsed.GetValue(steps), parsed.GetValue(eager), parsed.GetValue(set)!, environment.Interrupts.Listen()));
        });
        return command;
    }

    private static Command TrainOptions(CliEnvironment environment)
    {
        Option<string> shape = Shape();
        var precision = new Option<Precision>("--precision") { Description = "bf16, fp32, or auto for what this machine is best at.", DefaultValueFactory = _ => Precision.Auto };
        var replicas = new Option<int>("--replicas") { Description = "Replicas, a silo process for each.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var threads = new Option<int>("--threads") { Description = "Threads of each replica.", HelpName = "T", DefaultValueFactory = _ => 1 };
        var steps = new Option<long>("--steps") { Description = "Steps to time for each option.", HelpName = "N", DefaultValueFactory = _ => 8 };
        var json = Options.Json();
        var command = new Command("train-options", "Memory of a replica, time of a step and bytes on the wire with each option of the recipe that trades them.")
        {
            shape, precision, replicas, threads, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 64);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--steps", parsed.GetValue(steps), 2, 90_000);
            var result = await TrainOptionsBenchmark.RunAsync(parsed.GetRequiredValue(shape), parsed.GetValue(precision), parsed.GetValue(replicas),
                parsed.GetValue(threads), parsed.GetValue(steps), environment.Error.WriteLine, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            Tables.Pairs(environment.Console(),
            [
                ("shape", result.Shape), ("precision", result.Precision), ("replicas", $"{result.Replicas}, each a process of {result.Threads} thread(s)"), ("steps", Figures.Whole(result.Steps)),
            ]);
            environment.Output.WriteLine();
            Tables.Columns(
                environment.Console(),
                ["option", ">memory of a replica, MB", ">planned", ">resident at most", ">tokens a step", ">step, ms", ">of processor", ">on the wire, MB a step"],
                result.Options.Select(row => (string[])
                [
                    row.Option, Megabytes(row.ReplicaBytes), Megabytes(row.PlannedBytes), Megabytes(row.PeakResidentBytes), Figures.Whole(row.TokensPerStep),
                    Figures.Number(row.StepMilliseconds, 0), Figures.Number(row.ProcessorMilliseconds, 0), Megabytes(row.WireBytesPerStep),
                ]));
        });
        return command;

        static string Megabytes(long bytes) => Figures.Number(bytes / 1e6, 1);
    }

    private static Command Reduction(CliEnvironment environment)
    {
        var steps = new Option<int>("--steps") { Description = "Steps of each run.", HelpName = "N", DefaultValueFactory = _ => 400 };
        var seeds = new Option<int>("--seeds") { Description = "Seeds, each with a run in fp32, one in bf16, and one in fp32 along another tree.", HelpName = "N", DefaultValueFactory = _ => 3 };
        var json = Options.Json();
        var command = new Command("reduction", "A small model trained with gradients reduced in fp32 and in bf16: what it does to the loss, and the bytes.") { steps, seeds, json };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--steps", parsed.GetValue(steps), 10, 1_000_000);
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 100);
            var folder = Directory.CreateTempSubdirectory("cluster-reduction-").FullName;
            try
            {
                var result = await new ReductionBenchmark(folder, environment.Error.WriteLine).RunAsync(parsed.GetValue(steps), parsed.GetValue(seeds), environment.Interrupts.Listen());
                if (parsed.GetValue(json))
                {
                    environment.Output.WriteLine(RunJson.Document(result));
                    return;
                }

                Tables.Pairs(environment.Console(),
                [
                    ("parameters", Figures.Whole(result.Parameters)), ("steps", Figures.Whole(result.Steps)), ("replicas", Figures.Whole(result.Replicas)), ("lanes", Figures.Whole(result.Lanes)),
                    ("bytes, bf16 / fp32", Figures.Number(result.BytesRatio, 4)), ("bits per byte, bf16 - fp32, mean", Figures.Number(result.Difference, 5)),
                    ("the same without signs", Figures.Number(result.MeanDistance, 5)), ("fp32 along another tree, without signs", Figures.Number(result.OtherTreeDistance, 5)),
                ]);
                environment.Output.WriteLine();
                Tables.Columns(
                    environment.Console(), [">seed", "reduction", ">validation, bits per byte", ">loss", ">training loss", ">exchanged, MB", "weights"],
                    result.Runs.Select(run => (string[])
                    [
                        $"{run.Seed}", run.Reduction, Figures.Number(run.ValidationBitsPerByte, 4), Figures.Number(run.ValidationLoss, 4), Figures.Number(run.TrainLoss, 4),
                        Figures.Number(run.ExchangedBytes / 1e6, 1), run.WeightsSha256[..12],
                    ]));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    private static Command MetricsCost(CliEnvironment environment)
    {
        Option<string> shape = Shape();
        var precision = new Option<Precision>("--precision") { Description = "bf16, fp32, or auto for what this machine is best at.", DefaultValueFactory = _ => Precision.Auto };
        var replicas = new Option<int>("--replicas") { Description = "Replicas.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var threads = new Option<int>("--threads") { Description = "Threads of each replica.", HelpName = "T", DefaultValueFactory = _ => 1 };
        var pairs = new Option<int>("--pairs") { Description = "Blocks without and with somebody who watches, in turn.", HelpName = "N", DefaultValueFactory = _ => 10 };
        var steps = new Option<long>("--steps") { Description = "Steps of a block; it should last for several scrapes.", HelpName = "N", DefaultValueFactory = _ => 24 };
        var json = Options.Json();
        var command = new Command("metrics-cost", "Training steps with nobody listening and with a scrape every five seconds, as infra/prometheus has it; ends with 1 where that costs a hundredth of the processor's time or more.")
        {
            shape, precision, replicas, threads, pairs, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 256);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--pairs", parsed.GetValue(pairs), 1, 1_000);
            Options.Check("--steps", parsed.GetValue(steps), 1, 10_000);
            var result = await MetricsCostBenchmark.RunAsync(
                parsed.GetRequiredValue(shape), parsed.GetValue(precision), parsed.GetValue(replicas), parsed.GetValue(threads), parsed.GetValue(pairs),
                parsed.GetValue(steps), environment.Interrupts.Listen());
            Print(environment, parsed.GetValue(json), result);
            return result.CpuShare < MetricsCostBenchmark.Most ? 0 : 1;
        });
        return command;
    }

    private static Command Simulate(CliEnvironment environment)
    {
        var seeds = new Option<long>("--seeds") { Description = "Schedules to run.", HelpName = "N", DefaultValueFactory = _ => 1_000_000 };
        var first = new Option<ulong>("--first") { Description = "The first seed.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var json = Options.Json();
        var command = new Command("simulate", "The commit protocol under simulated faults; ends with 1 where an invariant is broken.") { seeds, first, json };
        command.SetAction(parsed =>
        {
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 1_000_000_000);
            var result = SimulateBenchmark.Run(parsed.GetValue(seeds), parsed.GetValue(first), environment.Interrupts.Listen());
            Print(environment, parsed.GetValue(json), result);
            return result.Violations == 0 ? 0 : 1;
        });
        return command;
    }

    private static Command Chaos(CliEnvironment environment)
    {
        var seeds = new Option<int>("--seeds") { Description = "Runs, each with a kill in every phase of a step and one of every other fault.", HelpName = "N", DefaultValueFactory = _ => 20 };
        var first = new Option<int>("--first") { Description = "The first seed.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var silos = new Option<int>("--silos") { Description = "Silo processes.", HelpName = "N", DefaultValueFactory = _ => 3 };
        var steps = new Option<int>("--steps") { Description = "Steps of a run.", HelpName = "N", DefaultValueFactory = _ => 3_000 };
        var json = Options.Json();
        var command = new Command("chaos", "Training on silos that are killed, hang and lose connections; ends with 1 where anything differs from an undisturbed run.")
        {
            seeds, first, silos, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 100_000);
            Options.Check("--silos", parsed.GetValue(silos), 2, 16);
            Options.Check("--steps", parsed.GetValue(steps), 20, 1_000_000);
            var folder = Directory.CreateTempSubdirectory("cluster-chaos-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs and runs are in {folder}, which is kept if anything differs");
            var result = await new ChaosBenchmark(folder, parsed.GetValue(silos), parsed.GetValue(steps), log.WriteLine)
                .RunAsync(parsed.GetValue(seeds), parsed.GetValue(first), environment.Interrupts.Listen());
            Print(environment, parsed.GetValue(json), result);
            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;
        });
        return command;
    }

    private static Command Balance(CliEnvironment environment)
    {
        var silos = new Option<int[]>("--silos")
        {
            Description = "Silo processes; may be given several times.",
            HelpName = "N",
            DefaultValueFactory = _ => [2, 4],
        };
        var steps = new Option<int>("--steps") { Description = "Steps of a run; the second half is slow.", HelpName = "N", DefaultValueFactory = _ => 240 };
        var lane = new Option<double>("--lane-milliseconds")
        {
            Description = "A lane's time on every replica, slept so that few cores do; twice that on the slow one.",
            HelpName = "MS",
            DefaultValueFactory = _ => 25,
        };
        var rounds = new Option<int>("--rounds") { Description = "Times without and with balancing, in turn.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var json = Options.Json();
        var command = new Command(
            "balance", "A replica at half speed, with lanes divided evenly and by speed; ends with 1 where weights differ or it costs its share or more.")
        {
            silos, steps, lane, rounds, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            foreach (var count in parsed.GetRequiredValue(silos))
                Options.Check("--silos", count, 2, 16);
            Options.Check("--steps", parsed.GetValue(steps), 80, 100_000);
            Options.Check("--rounds", parsed.GetValue(rounds), 1, 1_000);
            if (parsed.GetValue(lane) is not (>= 1 and <= 10_000))
                throw new UserErrorException(FormattableString.Invariant($"--lane-milliseconds is {parsed.GetValue(lane)}."), "Give milliseconds from 1 to 10000.");
            var folder = Directory.CreateTempSubdirectory("cluster-balance-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs and runs are in {folder}, which is kept if anything differs");
            var result = await new BalanceBenchmark(folder, parsed.GetValue(steps), parsed.GetValue(lane) / 1_000, log.WriteLine)
                .RunAsync(parsed.GetRequiredValue(silos), parsed.GetValue(rounds), environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
            }
            else
            {
                environment.Output.WriteLine();
                Tables.Columns(
                    environment.Console(),
                    [">silos", ">lanes", "balanced", ">step, ms", ">slowed, ms", ">lost", ">lost, settled", ">share", "lanes at the end", "weights"],
                    result.Runs.Select(row => (string[])
                    [
                        Figures.Whole(row.Silos), Figures.Whole(row.Lanes), row.Balanced ? "yes" : "no", Figures.Number(row.StepMilliseconds, 1),
                        Figures.Number(row.SlowedStepMilliseconds, 1), Percent(row.Lost), Percent(row.SettledLost), Percent(row.Share),
                        string.Join('|', row.LanesAtEnd), row.Equal ? "equal" : "NOT EQUAL",
                    ]));
            }

            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;

            static string Percent(double share) => $"{Figures.Number(100 * share, 1)} %";
        });
        return command;
    }

    private static Command Tokenizer(CliEnvironment environment)
    {
        var corpus = Options.Corpus("; the SDK's reference documentation as it is if not given");
        var vocabulary = new Option<int[]>("--vocab")
        {
            Description = "Ids to learn; may be given several times.",
            HelpName = "N",
            DefaultValueFactory = _ => [8_192, 32_768],
        };
        var threads = new Option<int[]>("--threads")
        {
            Description = "Threads; may be given several times.",
            HelpName = "T",
            DefaultValueFactory = _ => [.. new[] { 1, 2, Environment.ProcessorCount }.Distinct()],
        };
        var json = Options.Json();
        var command = new Command("tokenizer", "Training and encoding.") { corpus, vocabulary, threads, json };
        command.SetAction(parsed =>
        {
            foreach (var count in parsed.GetRequiredValue(threads))
                Options.Check("--threads", count, 1, 256);
            var result = TokenizerBenchmark.Run(
                parsed.GetValue(corpus), parsed.GetRequiredValue(vocabulary), parsed.GetRequiredValue(threads), environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            var console = environment.Console();
            Tables.Pairs(console, [("text", result.Source), ("bytes", Figures.Whole(result.Bytes))]);
            Tables.Columns(
                console,
                [
                    ">vocabulary", ">threads", ">training, s", ">of processor", ">counting, s", ">of processor", ">learning, s", ">of processor", ">counting, times", ">training, times",
                    ">by processor", ">encoding, MB/s", ">per processor s", ">tokens per byte",
                ],
                result.Rows.Select(row => (string[])
                [
                    Figures.Whole(row.Vocabulary), Figures.Whole(row.Threads), Figures.Number(row.TrainSeconds, 2), Figures.Number(row.TrainProcessorSeconds, 2),
                    Figures.Number(row.CountSeconds, 2), Figures.Number(row.CountProcessorSeconds, 2), Figures.Number(row.LearnSeconds, 2), Figures.Number(row.LearnProcessorSeconds, 2),
                    Figures.Number(row.CountSpeedup, 2), Figures.Number(row.TrainSpeedup, 2), Figures.Number(row.SpeedupOfProcessor, 2),
                    Figures.Number(row.EncodeMegabytesPerSecond, 1), Figures.Number(row.EncodeMegabytesPerProcessorSecond, 1), Figures.Number(row.TokensPerByte, 4),
                ]));
        });
        return command;
    }

    private static Command Corpus(CliEnvironment environment)
    {
        var workers = new Option<int>("--workers") { Description = "Partitions at a time.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var whole = new Option<bool>("--whole-only") { Description = "Time the whole build only, not each stage alone." };
        var embeddings = new Option<string?>("--embeddings")
        {
            Description = "Also look for duplicates by embeddings of this run's model.",
            HelpName = "DIR",
        };
        var json = Options.Json();
        var command = new Command("corpus", "Curation of the SDK's reference documentation: the whole, and each stage on one core.")
        {
            workers, whole, embeddings, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--workers", parsed.GetValue(workers), 1, 1_024);
            var result = await CorpusBenchmark.RunAsync(
                parsed.GetValue(workers), !parsed.GetValue(whole), parsed.GetValue(embeddings),
                message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            var console = environment.Console();
            Tables.Pairs(console,
            [
                ("recipe", result.Recipe), ("documents", result.Documents), ("megabytes", Figures.Number(result.Megabytes, 1)), ("workers", Figures.Whole(result.Workers)),
                ("seconds", $"{Figures.Number(result.Seconds, 1)}, of which {Figures.Number(result.SourceSeconds, 1)} for the source"),
                ("processor seconds", Figures.Number(result.ProcessorSeconds, 1)), ("peak memory", $"{Figures.Number(result.PeakMegabytes, 0)} MB"), ("SHA-256", result.CorpusSha256),
            ]);
            environment.Output.WriteLine();
            Tables.Columns(console, ["part of the build, a thread", ">MB/s", ">documents/s"], result.Phases.Select(part => (string[])
                [part.Part, Figures.Number(part.MegabytesPerSecond, 2), Figures.Whole((long)part.DocumentsPerSecond)]));
            if (result.Stages.Count == 0)
                return;
            environment.Output.WriteLine();
            Tables.Columns(console, ["stage alone, a core", ">MB/s", ">documents/s", ">in", ">dropped"], result.Stages.Select(stage => (string[])
                [stage.Stage, Figures.Number(stage.MegabytesPerSecond, 1), Figures.Whole((long)stage.DocumentsPerSecond), Figures.Whole(stage.In), Figures.Whole(stage.Dropped)]));
        });
        return command;
    }

    private static Command Generate(CliEnvironment environment)
    {
        Option<string> shape = Shape();
        var precision = new Option<DecodePrecision>("--precision") { Description = "bf16 or fp32 weights.", DefaultValueFactory = _ => DecodePrecision.Fp32 };
        var quantized = new Option<string?>("--quantized") { Description = "Weights in int8, int8-group or int4 instead of --precision.", HelpName = "FORMAT" };
        var activations = new Option<string>("--activations") { Description = "What enters products of quantised weights: int8 or fp32.", HelpName = "FORMAT", DefaultValueFactory = _ => "int8" };
        var kv = new Option<string>("--kv") { Description = "Keys and values beside quantised weights: fp32, bf16 or int8.", HelpName = "FORMAT", DefaultValueFactory = _ => "fp32" };
        var batch = new Option<int>("--batch") { Description = "Sequences at once.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "Threads that compute.", HelpName = "T", DefaultValueFactory = _ => Environment.ProcessorCount };
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
                ? QuantizationScheme.Of(WeightFormats.Parse("--quantized", format)) with { Activations = inputs, HeadActivations = inputs, Cache = cache }
                : null;
            var result = await GenerateBenchmark.RunAsync(parsed.GetRequiredValue(shape), parsed.GetValue(precision), scheme, parsed.GetValue(batch),
                parsed.GetValue(threads), parsed.GetValue(without)!, parsed.GetValue(passes), environment.Interrupts.Listen());
            Print(environment, parsed.GetValue(json), result with { Passes = parsed.GetValue(json) ? result.Passes : null });
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

    private static Command Prefill(CliEnvironment environment)
    {
        Option<string> shape = Shape();
        var precision = new Option<Precision>("--precision") { Description = "bf16 or fp32 products.", DefaultValueFactory = _ => Precision.Bf16 };
        var threads = new Option<int>("--threads") { Description = "Threads of a product.", HelpName = "T", DefaultValueFactory = _ => 2 };
        var tokens = new Option<int>("--tokens") { Description = "Tokens of a prompt.", HelpName = "N", DefaultValueFactory = _ => 256 };
        var chunk = new Option<int>("--chunk") { Description = "Rows of a product of Torch's beside managed decode.", HelpName = "N", DefaultValueFactory = _ => TorchPrefillDecoder.DefaultChunk };
        var rounds = new Option<int>("--rounds") { Description = "Rounds, of which the best counts.", HelpName = "N", DefaultValueFactory = _ => 15 };
        var json = Options.Json();
        var command = new Command("prefill", "Prompts by every backend that this machine has, and by the eager library, in turn.") { shape, precision, threads, tokens, chunk, rounds, json };
        command.SetAction(parsed =>
        {
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--tokens", parsed.GetValue(tokens), 1, 256);
            Options.Check("--chunk", parsed.GetValue(chunk), 16, 1_024);
            Options.Check("--rounds", parsed.GetValue(rounds), 1, 10_000);
            if (parsed.GetValue(precision) == Precision.Auto)
                throw new UserErrorException("--precision is auto.", "Give bf16 or fp32.");
            Print(environment, parsed.GetValue(json), PrefillBenchmark.Run(parsed.GetRequiredValue(shape), parsed.GetValue(precision),
                parsed.GetValue(threads), parsed.GetValue(tokens), parsed.GetValue(chunk), parsed.GetValue(rounds), environment.Interrupts.Listen()));
        });
        return command;
    }

    private static Command Serve(CliEnvironment environment)
    {
        var run = new Option<string?>("--run") { Description = "A run's folder, whose model is served.", HelpName = "DIR" };
        Option<string> shape = Shape();
        var precision = new Option<DecodePrecision>("--precision") { Description = "bf16 or fp32 weights.", DefaultValueFactory = _ => DecodePrecision.Fp32 };
        var clients = new Option<int>("--clients") { Description = "Clients, each with one streamed request at a time.", HelpName = "N", DefaultValueFactory = _ => 200 };
        var seconds = new Option<int>("--seconds") { Description = "How long they send requests.", HelpName = "S", DefaultValueFactory = _ => 60 };
        var silos = new Option<int>("--silos") { Description = "Silo processes, each with a worker.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var kill = new Option<bool>("--kill-worker") { Description = "Kill the second silo in the middle." };
        var json = Options.Json();
        var command = new Command("serve", "Many clients of a cluster of processes; ends with 1 where a request failed, a reply differs from itself alone, or a block is lost.")
        {
            run, shape, precision, clients, seconds, silos, kill, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--clients", parsed.GetValue(clients), 1, 10_000);
            Options.Check("--seconds", parsed.GetValue(seconds), 1, 86_400);
            Options.Check("--silos", parsed.GetValue(silos), parsed.GetValue(kill) ? 2 : 1, 16);
            var folder = Directory.CreateTempSubdirectory("cluster-serve-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs are in {folder}, which is kept if anything goes wrong");
            var size = parsed.GetRequiredValue(shape);
            var model = parsed.GetValue(run) is { } trained
                ? ServedModel.Link(folder, new RunFolder(trained))
                : ServedModel.Write(folder, $"bench-{size}", BenchmarkShape.Get(size).Model);
            var result = await new ServeBenchmark(folder, model, parsed.GetValue(precision), log.WriteLine).RunAsync(
                parsed.GetValue(clients), parsed.GetValue(silos), TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(kill), environment.Interrupts.Listen());
            Print(environment, parsed.GetValue(json), result);
            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;
        });
        return command;
    }

    private static Command AllReduce(CliEnvironment environment)
    {
        var processes = new Option<int>("--processes") { Description = "Replicas, each a process of its own.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var megabytes = new Option<int>("--megabytes") { Description = "Size of the gradient.", HelpName = "MB", DefaultValueFactory = _ => 64 };
        var transport = new Option<string>("--transport") { Description = "How gradients travel.", DefaultValueFactory = _ => "shared" };
        transport.AcceptOnlyFromAmong("shared", "tcp");
        var json = Options.Json();
        var command = new Command("all-reduce", "Gradients of several processes on this host, added up.") { processes, megabytes, transport, json };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--processes", parsed.GetValue(processes), 1, 16);
            Options.Check("--megabytes", parsed.GetValue(megabytes), 1, 4_096);
            Print(environment, parsed.GetValue(json), await AllReduceBenchmark.RunAsync(
                parsed.GetValue(processes), parsed.GetValue(megabytes), parsed.GetValue(transport) == "shared", environment.Interrupts.Listen()));
        });
        return command;
    }

    private static Command AllReduceMemberCommand(CliEnvironment environment)
    {
        var command = new Command(AllReduceMember.Verb, "One replica of all-reduce, told what to do on its input.") { Hidden = true };
        command.SetAction((_, cancellation) => AllReduceMember.RunAsync(environment.InputLines, environment.Output, cancellation));
        return command;
    }

    private static Option<string> Shape() => new("--shape") { Description = "S (6 × 256, vocabulary 8,192) or M (12 × 768, vocabulary 50,304).", HelpName = "S|M", DefaultValueFactory = _ => "S" };

    private static void Print<T>(CliEnvironment environment, bool json, T result)
    {
        var document = RunJson.Document(result);
        if (json)
        {
            environment.Output.WriteLine(document);
            return;
        }

        using var parsed = JsonDocument.Parse(document);
        Tables.Pairs(environment.Console(), parsed.RootElement.EnumerateObject().Select(p => (p.Name.Replace('_', ' '), p.Value.ToString())));
    }
}
