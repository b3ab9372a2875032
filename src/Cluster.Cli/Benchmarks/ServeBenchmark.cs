// Enters: a model, clients, a time. Leaves: what serving them came to, with a worker killed in the middle or not. Does not know: how a
// reply goes on elsewhere, how workers are chosen.
using System.Diagnostics;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Inference;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Inference.Managed;
using Cluster.Inference.Sampling;
using Cluster.Silo.Inference;

namespace Cluster.Cli.Benchmarks;

/// <summary>Times of many, in seconds.</summary>
/// <param name="P50">Median.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Longest">The longest.</param>
internal sealed record ServeTimes(double P50, double P99, double Longest)
{
    /// <summary>Of times in any order; zeros where there are none.</summary>
    public static ServeTimes Of(IEnumerable<double> seconds)
    {
        var sorted = seconds.Order().ToArray();
        return sorted.Length == 0 ? new ServeTimes(0, 0, 0) : new ServeTimes(At(0.5), At(0.99), Math.Round(sorted[^1], 4));

        double At(double share) => Math.Round(sorted[(int)Math.Ceiling(share * sorted.Length) - 1], 4);
    }
}

/// <summary>Figures of a cluster that served many clients at once.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Precision">Of its weights.</param>
/// <param name="Clients">Clients, each with one request at a time.</param>
/// <param name="Silos">Silos with the role inference.</param>
/// <param name="Seconds">Until no further request was sent.</param>
/// <param name="Killed">The silo that was killed in the middle; null if none was.</param>
/// <param name="RepliesOnKilled">Replies that its worker had at that moment.</param>
/// <param name="Requests">Requests that were accepted.</param>
/// <param name="Completed">Those of them whose reply came to its end.</param>
/// <param name="Errors">Those of them that did not.</param>
/// <param name="TurnedAway">Requests for which there was no room in the queue; they were sent again.</param>
/// <param name="Compared">Replies that were computed once more, alone, in another process.</param>
/// <param name="Different">Those of them that differ.</param>
/// <param name="TokensInPerSecond">Of prompts.</param>
/// <param name="TokensOutPerSecond">Of replies.</param>
/// <param name="FirstToken">From a request to its reply's first text.</param>
/// <param name="FirstTokenAroundKill">The same of requests that were sent within ten seconds of the kill; null if there was none.</param>
/// <param name="BetweenTokens">From each text to the next.</param>
/// <param name="EndToEnd">From a request to its reply's end.</param>
/// <param name="HeldBlocks">Blocks of the workers' caches in use at the end: 0, for what remembers a prefix is not held.</param>
/// <param name="PrefixHits">Share of the prompts' tokens that were found in a cache.</param>
/// <param name="Preemptions">Requests that gave their blocks to older ones.</param>
/// <param name="FirstErrors">What went wrong, at most three of them.</param>
internal sealed record ServeBenchmarkResult(
    string Model, string Precision, int Clients, int Silos, double Seconds, string? Killed, int RepliesOnKilled, int Requests, int Completed, int Errors,
    int TurnedAway, int Compared, int Different, double TokensInPerSecond, double TokensOutPerSecond, ServeTimes FirstToken, ServeTimes? FirstTokenAroundKill,
    ServeTimes BetweenTokens, ServeTimes EndToEnd, int HeldBlocks, double PrefixHits, long Preemptions, IReadOnlyList<string> FirstErrors)
{
    /// <summary>Whether everything came out as promised.</summary>
    public bool Holds => Errors == 0 && Completed == Requests && Requests > 0 && Different == 0 && Compared > 0 && HeldBlocks == 0
        && (Killed is null || RepliesOnKilled > 0);
}

/// <summary>Serves many clients from processes of this machine.</summary>
/// <param name="root">Folder with the model's run.</param>
/// <param name="model">Its name.</param>
/// <param name="precision">Of its weights.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ServeBenchmark(string root, string model, DecodePrecision precision, Action<string> say)
{
    private const int Sampled = 60, WarmUps = 50;
    private static readonly TimeSpan s_drain = TimeSpan.FromSeconds(180), s_aroundKill = TimeSpan.FromSeconds(10);

    public async Task<ServeBenchmarkResult> RunAsync(int clients, int silos, TimeSpan time, bool killWorker, CancellationToken cancellation)
    {
        var precisionName = precision.ToString().ToLowerInvariant();
        say($"{silos} silos and the web process");
        await using var cluster = await LocalCluster.StartAsync(new LocalClusterOptions
        {
            Runs = root,
            Silos = silos,
            Settings = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["Cluster:Inference:Precision"] = precisionName,
                ["Cluster:Inference:MinWorkers"] = FormattableString.Invariant($"{silos}"),
                // All clients may be on one worker after the kill.
                ["Cluster:Inference:MaxWaiting"] = FormattableString.Invariant($"{Math.Max(256, 2 * clients)}"),
            },
        }, (_, _) => { }, cancellation);
        await using var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
        var pool = new InferenceClient(connection.Grains);
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = clients + 8 })
        {
            BaseAddress = new Uri(cluster.State.Web!),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        using var reference = RunModel.Open(new RunFolder(Path.Combine(root, model)), say, precision);
        var prompts = new ServePrompts(reference.Tokenizer, reference.Recipe.Model.MaxContext);
        await WarmUpAsync(http, prompts, silos, pool, cancellation);

        say($"{clients} clients for {time.TotalSeconds:0} s{(killWorker ? ", and a silo is killed in the middle" : "")}");
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var start = Stopwatch.GetTimestamp();
        ServeClient[] asking = [.. Enumerable.Range(0, clients).Select(i => new ServeClient(http, model, i, prompts))];
        var running = Task.WhenAll(asking.Select(client => client.RunAsync(() => Stopwatch.GetElapsedTime(start) >= time, all.Token)));
        var (killed, repliesOnKilled, killedAt) = killWorker ? await KillAsync(cluster, pool, time / 2, cancellation) : (null, 0, 0L);
        await running.WaitAsync(time + s_drain, cancellation);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        List<ServeAnswer> answers = [.. asking.SelectMany(client => client.Answers)];
        var figures = await SettledAsync(pool, cancellation);
        say($"{answers.Count} answers in {seconds:0.0} s; {Math.Min(Sampled, answers.Count)} of them are computed once more, one at a time");
        var sample = Sample([.. answers.Where(answer => answer.Error is null)], killedAt);
        var different = sample.Count(answer => !IsReference(reference, answer, cancellation));
        return new ServeBenchmarkResult(
            model, precisionName, clients, silos, Math.Round(seconds, 1), killed, repliesOnKilled, answers.Count, answers.Count(answer => answer.Error is null),
            answers.Count(answer => answer.Error is not null), asking.Sum(client => client.TurnedAway), sample.Count, different,
            Math.Round(answers.Sum(answer => (long)answer.PromptTokens) / seconds), Math.Round(answers.Sum(answer => (long)answer.ReplyTokens) / seconds),
            ServeTimes.Of(answers.Select(answer => answer.FirstToken)),
            killed is null ? null : ServeTimes.Of(answers.Where(answer => IsNear(answer.Begun, killedAt)).Select(answer => answer.FirstToken)),
            ServeTimes.Of(answers.SelectMany(answer => answer.Between)), ServeTimes.Of(answers.Select(answer => answer.Whole)),
            figures.Sum(worker => worker.HeldBlocks),
            Math.Round(figures.Sum(worker => worker.PrefixHitTokens) / (double)Math.Max(1, figures.Sum(worker => worker.PrefixQueriedTokens)), 3),
            figures.Sum(worker => worker.Preemptions), answers.Select(answer => answer.Error).OfType<string>().Take(3).ToArray());
    }

    /// <summary>Has every worker load the model: with several requests at a time, for one alone goes where the one before went.</summary>
    private async Task WarmUpAsync(HttpClient http, ServePrompts prompts, int silos, InferenceClient pool, CancellationToken cancellation)
    {
        var client = new ServeClient(http, model, -1, prompts);
        for (var round = 0; round < WarmUps; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 4 * silos).Select(i => client.AskAsync(prompts.Of(int.MaxValue - round, i), cancellation)));
            if (answers.Select(answer => answer?.Error).FirstOrDefault(error => error is not null) is { } error)
                throw new UserErrorException($"The model does not answer: {error}", $"Logs are in {new ClusterFolder(root).Path}.");
            if ((await pool.FiguresAsync(model, cancellation)).Count(worker => worker.Value.GenerationTokens > 0) >= silos)
                return;
        }

        throw new UserErrorException(FormattableString.Invariant($"After {WarmUps} rounds of requests not each of {silos} silos has answered one."),
            $"Logs are in {new ClusterFolder(root).Path}.");
    }

    private async Task<(string Silo, int Replies, long At)> KillAsync(LocalCluster cluster, InferenceClient pool, TimeSpan after, CancellationToken cancellation)
    {
        await Task.Delay(after, cancellation);
        var victim = SiloControl.Find(cluster.State, "2");
        var replies = (await pool.FiguresAsync(model, cancellation)).Where(worker => ReplicaKey.Parse(worker.Key).Silo == victim.Name)
            .Sum(worker => worker.Value.Running + worker.Value.Waiting);
        var at = Stopwatch.GetTimestamp();
        await SiloControl.KillAsync(victim, cancellation);
        say($"{victim.Name}, whose worker had {replies} replies under way, is killed (signal 9)");
        return (victim.Name, replies, at);
    }

    /// <summary>The workers' figures once nothing is under way, or after a while.</summary>
    private async Task<IReadOnlyList<WorkerFigures>> SettledAsync(InferenceClient pool, CancellationToken cancellation)
    {
        IReadOnlyList<WorkerFigures> figures = [];
        for (var i = 0; i < 20; i++)
        {
            figures = [.. (await pool.FiguresAsync(model, cancellation)).Values];
            if (figures.Count > 0 && figures.All(worker => worker is { Running: 0, Waiting: 0, HeldBlocks: 0 }))
                break;
            await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
        }

        return figures.Count > 0 ? figures : throw new UserErrorException("No worker tells of its cache.", $"Logs are in {new ClusterFolder(root).Path}.");
    }

    /// <summary>A part of the answers: half of them, if there are so many, of those that were under way when a silo was killed.</summary>
    private static List<ServeAnswer> Sample(List<ServeAnswer> answers, long killedAt)
    {
        var touched = answers.Where(answer => answer.Begun < killedAt && Stopwatch.GetElapsedTime(answer.Begun, killedAt).TotalSeconds < answer.Whole).Take(Sampled / 2).ToList();
        var rest = answers.Except(touched).ToList();
        var wanted = Math.Min(Sampled - touched.Count, rest.Count);
        return [.. touched, .. Enumerable.Range(0, wanted).Select(i => rest[(int)((long)i * rest.Count / wanted)])];
    }

    private static bool IsReference(RunModel reference, ServeAnswer answer, CancellationToken cancellation)
    {
        var request = answer.Request;
        var options = new GenerationOptions { MaxTokens = request.MaxTokens, Temperature = request.Temperature, Seed = request.Seed };
        return string.Concat(reference.Write(request.Prompt, options, cancellation).Select(token => token.Text)) == answer.Text;
    }

    private static bool IsNear(long begun, long killedAt) => Math.Abs(begun - killedAt) / (double)Stopwatch.Frequency < s_aroundKill.TotalSeconds;
}
