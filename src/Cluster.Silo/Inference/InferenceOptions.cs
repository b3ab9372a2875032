using System.Globalization;
using Cluster.Core.Errors;
using Cluster.Inference.Managed;
using Cluster.Inference.Scheduling;
using Cluster.Model.Decode;
using Microsoft.Extensions.Configuration;

namespace Cluster.Silo.Inference;

/// <summary>How a silo serves models: <c>Cluster:RunsPath</c>, and the rest under <c>Cluster:Inference</c>.</summary>
public sealed record InferenceOptions
{
    private const string Section = "Cluster:Inference";

    /// <summary><c>Cluster:RunsPath</c>: the folder whose runs are the models.</summary>
    public string RunsPath { get; init; } = "runs";

    /// <summary>WorkersPerSilo: most workers of one model on a silo, 1–64.</summary>
    public int WorkersPerSilo { get; init; } = 1;

    /// <summary>MinWorkers: workers of a model that is asked, 1–1,024.</summary>
    public int MinWorkers { get; init; } = 1;

    /// <summary>MaxWorkers: most workers of a model, at least <see cref="MinWorkers"/> and at most 1,024.</summary>
    public int MaxWorkers { get; init; } = 64;

    /// <summary>MaxEngines: most engines of a silo, all models together, 1–1,024; a model that is being replaced adds one. One per hardware thread by default.</summary>
    public int MaxEngines { get; init; } = Math.Max(2, Environment.ProcessorCount);

    /// <summary>CacheTokens: tokens that an engine's cache has room for, 0–2³⁰; 0 for 16 sequences of full length.</summary>
    public int CacheTokens { get; init; }

    /// <summary>MaxRunning: as <see cref="SchedulerOptions.MaxRunning"/>, 1–4,096.</summary>
    public int MaxRunning { get; init; } = 64;

    /// <summary>MaxWaiting: as <see cref="SchedulerOptions.MaxWaiting"/>, 1–1,000,000.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>TokenBudget: as <see cref="SchedulerOptions.TokenBudget"/>, at most 65,536 and at least <see cref="MaxRunning"/> and a chunk of a prompt, 128, more.</summary>
    public int TokenBudget { get; init; } = 256;

    /// <summary>Precision: fp32 or bf16.</summary>
    public DecodePrecision Precision { get; init; } = DecodePrecision.Fp32;

    /// <summary>Threads: most threads of an engine's managed kernels, 1–256; they change no bit, and an engine takes fewer where the cores are wanted. As
    /// many as the machine has, 16 at most, by default.</summary>
    public int Threads { get; init; } = Math.Min(16, Environment.ProcessorCount);

    /// <summary>Backend: auto, managed or torch; see <see cref="DecodeBackendKind"/>.</summary>
    public DecodeBackendKind Backend { get; init; } = DecodeBackendKind.Auto;

    /// <summary>ScaleUpWaiting: a worker is added while more requests than this wait for each that there is, 0–1,000,000.</summary>
    public int ScaleUpWaiting { get; init; } = 4;

    /// <summary>ReplySeconds: most time from a request's arrival to its last token, if it names none, 1–86,400.</summary>
    public TimeSpan Reply { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>UnreadSeconds: a reply that nobody reads for so long is cancelled, 1–86,400.</summary>
    public TimeSpan Unread { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>PollSeconds: how often a model's folder is looked at for a newer checkpoint, 1–86,400.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>IdleSeconds: a worker that nobody asks for so long gives up its memory, and a pool without requests its surplus workers, 1–86,400.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>What an engine's scheduler is given.</summary>
    internal SchedulerOptions Scheduler => new() { MaxRunning = MaxRunning, MaxWaiting = MaxWaiting, TokenBudget = TokenBudget, Timeout = Reply };

    /// <summary>Reads them.</summary>
    /// <exception cref="UserErrorException">A value is out of its range.</exception>
    public static InferenceOptions Of(IConfiguration configuration)
    {
        var d = new InferenceOptions();
        var minimum = Number(nameof(MinWorkers), d.MinWorkers, 1, 1_024);
        const int chunk = TorchPrefillDecoder.DefaultChunk;
        var running = Number(nameof(MaxRunning), d.MaxRunning, 1, 4_096);
        return new InferenceOptions
        {
            RunsPath = configuration["Cluster:RunsPath"] ?? d.RunsPath,
            WorkersPerSilo = Number(nameof(WorkersPerSilo), d.WorkersPerSilo, 1, 64),
            MinWorkers = minimum,
            MaxWorkers = Number(nameof(MaxWorkers), Math.Max(minimum, d.MaxWorkers), minimum, 1_024),
            MaxEngines = Number(nameof(MaxEngines), d.MaxEngines, 1, 1_024),
            CacheTokens = Number(nameof(CacheTokens), d.CacheTokens, 0, 1 << 30),
            MaxRunning = running,
            MaxWaiting = Number(nameof(MaxWaiting), d.MaxWaiting, 1, 1_000_000),
            TokenBudget = Number(nameof(TokenBudget), Math.Max(d.TokenBudget, running + chunk), running + chunk, 65_536),
            Threads = Number(nameof(Threads), d.Threads, 1, 256),
            Precision = configuration[$"{Section}:{nameof(Precision)}"] switch
            {
                null => d.Precision,
                "fp32" => DecodePrecision.Fp32,
                "bf16" => DecodePrecision.Bf16,
                var other => throw new UserErrorException($"{Section}:{nameof(Precision)} is \"{other}\".", "Give fp32 or bf16."),
            },
            Backend = configuration[$"{Section}:{nameof(Backend)}"] switch
            {
                null or "auto" => DecodeBackendKind.Auto,
                "managed" => DecodeBackendKind.Managed,
                "torch" => DecodeBackendKind.Torch,
                var other => throw new UserErrorException($"{Section}:{nameof(Backend)} is \"{other}\".", "Give auto, managed or torch."),
            },
            ScaleUpWaiting = Number(nameof(ScaleUpWaiting), d.ScaleUpWaiting, 0, 1_000_000),
            Reply = Seconds("ReplySeconds", d.Reply),
            Unread = Seconds("UnreadSeconds", d.Unread),
            Poll = Seconds("PollSeconds", d.Poll),
            Idle = Seconds("IdleSeconds", d.Idle),
        };

        TimeSpan Seconds(string name, TimeSpan otherwise) => TimeSpan.FromSeconds(Number(name, (int)otherwise.TotalSeconds, 1, 86_400));

        int Number(string name, int otherwise, int least, int most)
        {
            var key = $"{Section}:{name}";
            if (configuration[key] is not { } text)
                return otherwise;
            return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
                ? value
                : throw new UserErrorException($"{key} is \"{text}\".", FormattableString.Invariant($"Give a whole number from {least} to {most}."));
        }
    }
}
