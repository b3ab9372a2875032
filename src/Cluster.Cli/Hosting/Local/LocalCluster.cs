// Enters: how many silos, where runs are. Leaves: a store, silos and the web as children, a state file, answers to requests.
// Does not know: how its lines are shown, what a silo does.

using System.Globalization;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Web;

namespace Cluster.Cli.Hosting.Local;

/// <summary>What <c>up</c> was asked for.</summary>
public sealed record LocalClusterOptions
{
    /// <summary>Folder of runs.</summary>
    public required string Runs { get; init; }

    /// <summary>Silos to begin with.</summary>
    public required int Silos { get; init; }

    /// <summary>Threads of a replica, or null for the recipe's.</summary>
    public int? ThreadsPerReplica { get; init; }

    /// <summary>HOST:PORT of a store that runs already, or null for one of the cluster's own.</summary>
    public string? Redis { get; init; }

    /// <summary>Port that the page must have, or null.</summary>
    public int? WebPort { get; init; }

    /// <summary>Whether a silo that dies is started again under its name.</summary>
    public bool Restart { get; init; }

    /// <summary>Whether faults may be injected into its silos.</summary>
    public bool Faults { get; init; }

    /// <summary>Chooses a silo's ports.</summary>
    internal Func<int> ChoosePort { get; init; } = Ports.Free;

    /// <summary>Configuration that silos and page get besides what tells them of the cluster, as <c>Cluster:Inference:Precision</c>.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();
}

/// <summary>
/// A cluster of processes on this machine. All of them are children of this process and end with it; a silo that dies is reported, and
/// started again only if that was asked for.
/// </summary>
public sealed class LocalCluster : IAsyncDisposable
{
    /// <summary>Tag of what this process itself says.</summary>
    public const string Own = "cluster";

    private const string ServicePrefix = "cluster-";
    private const int PortTries = 3;

    // Long: a machine may be busy with all its silos' training.
    private static readonly TimeSpan s_start = TimeSpan.FromSeconds(90), s_drain = TimeSpan.FromSeconds(60), s_end = TimeSpan.FromSeconds(20);

    // Whatever ends so soon, so often, will go on doing so; once may be somebody's doing.
    private const int ShortLives = 3;
    private static readonly TimeSpan s_shortLife = TimeSpan.FromSeconds(5);

    private readonly ClusterFolder _folder;
    private readonly LocalClusterOptions _options;
    private readonly Action<string, string> _say;
    private readonly FileStream _lock;
    private readonly ControlChannel _control;
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<UserErrorException> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // One start of a silo at a time: two that join at once hinder each other.
    private readonly SemaphoreSlim _gate = new(1, 1);

    // Held for what is below.
    private readonly Lock _change = new();
    private readonly List<(LocalProcess Process, ChildProcess Child)> _silos = [];
    private readonly Dictionary<string, (LocalProcess Process, ChildProcess Child)> _others = new(StringComparer.Ordinal);
    private readonly List<Task> _watches = [];

    // Silos that died and were not started again.
    private readonly Dictionary<string, LocalProcess> _dead = new(StringComparer.Ordinal);
    private ClusterState _state;
    private int _lastSilo;

    private LocalCluster(ClusterFolder folder, LocalClusterOptions options, Action<string, string> say, FileStream @lock)
    {
        (_folder, _options, _say, _lock) = (folder, options, say, @lock);
        _control = new ControlChannel(folder.Path, AnswerAsync);
        var id = $"{ServicePrefix}{Guid.NewGuid():N}"[..20];
        _state = new ClusterState
        {
            ClusterId = id,
            ServiceId = id,
            Store = options.Redis ?? $"127.0.0.1:{Ports.Free()}",
            RunsPath = folder.Runs,
            Control = _control.Path,
            Supervisor = ProcessIdentity.OfThis(),
            ThreadsPerReplica = options.ThreadsPerReplica,
            Faults = options.Faults ? folder.Faults : null,
        };
    }

    /// <summary>What other commands see.</summary>
    public ClusterState State => _state;

    /// <summary>Completes when the cluster cannot go on: its store or its page ends again and again.</summary>
    public Task<UserErrorException> Failed => _failed.Task;

    /// <summary>Starts store, silos and page, and returns when all of them are up.</summary>
    /// <param name="options">What to start.</param>
    /// <param name="say">Gets each line to show: the name of a process, or <see cref="Own"/>, and the line.</param>
    /// <param name="cancellation">Gives up and ends what was started.</param>
    /// <exception cref="UserErrorException">
    /// The folder has a cluster already, a port is occupied, the store is not there, or a process does not start.
    /// </exception>
    public static async Task<LocalCluster> StartAsync(
        LocalClusterOptions options, Action<string, string> say, CancellationToken cancellation)
    {
        var folder = new ClusterFolder(options.Runs);
        folder.Create();
        var @lock = Hold(folder);
        LocalCluster? cluster = null;
        try
        {
            await EndLeftoversAsync(folder, say, cancellation);
            if (options.Redis is { } redis)
                await StoreConnections.CheckAsync("--redis", redis);
            cluster = new LocalCluster(folder, options, say, @lock);
            await cluster.StartAllAsync(cancellation);
            return cluster;
        }
        catch
        {
            if (cluster is null)
                await @lock.DisposeAsync();
            else
                await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one more silo under a name of its own.</summary>
    /// <exception cref="UserErrorException">It does not come up.</exception>
    public async Task<LocalProcess> AddSiloAsync(CancellationToken cancellation)
    {
        await _gate.WaitAsync(cancellation);
        try
        {
            return await StartSiloAsync($"silo-{++_lastSilo}", cancellation);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Lets page, silos and store end, in this order, and takes the state away. A process that does not end is killed.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _control.DisposeAsync();
        await _gate.WaitAsync();
        await StopAsync(WebProcess.Name, s_end);
        await Task.WhenAll(_silos.Select(silo => silo.Child.StopAsync(s_drain)));
        if (_options.Redis is { } redis)
            await StoreConnections.ForgetAsync(redis, _state.ServiceId + "/");
        await StopAsync(StoreProcess.Name, s_end);
        await Task.WhenAll(_watches);
        foreach (var (_, child) in _silos.Concat(_others.Values))
            child.Dispose();
        _folder.Clear();
        await _lock.DisposeAsync();
        _gate.Dispose();
        _ending.Dispose();

        Task StopAsync(string name, TimeSpan patience) =>
            _others.TryGetValue(name, out var other) ? other.Child.StopAsync(patience) : Task.CompletedTask;
    }

    private static FileStream Hold(ClusterFolder folder)
    {
        try
        {
            return new FileStream(folder.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (File.Exists(folder.Lock))
        {
            var page = folder.Last()?.Web is { } web ? $", {web}" : "";
            var which = folder.Last() is { } state ? $" (process {state.Supervisor.Pid}{page})" : "";
            throw new UserErrorException(
                $"A cluster runs in {folder.Runs} already{which}.", "End it first, or give another folder as --runs.", error);
        }
    }

    /// <summary>Children of a supervisor that was killed end by themselves, but not at once.</summary>
    private static async Task EndLeftoversAsync(ClusterFolder folder, Action<string, string> say, CancellationToken cancellation)
    {
        ClusterState? last;
        try
        {
            last = folder.Last();
        }
        catch (UserErrorException)
        {
            // Of a cluster whose processes are unknown; its children end by themselves.
            last = null;
        }

        foreach (var process in (last?.Silos ?? []).Concat(last?.Others ?? []).Where(process => process.Process.IsAlive()))
        {
            say(Own, $"ending {process.Name} (process {process.Process.Pid}) of an earlier cluster in this folder");
            Posix.Kill(process.Process.Pid);
            await process.Process.WaitForEndAsync(cancellation);
        }

        foreach (var log in Directory.GetFiles(Path.GetDirectoryName(folder.Log(Own))!))
            File.Delete(log);
        // Nothing in the store outlives its cluster: the run folders do.
        foreach (var old in (string[])[folder.Store, folder.Faults])
        {
            if (Directory.Exists(old))
                Directory.Delete(old, recursive: true);
        }
    }

    private async Task StartAllAsync(CancellationToken cancellation)
    {
        await _gate.WaitAsync(cancellation);
        try
        {
            if (_options.Redis is null)
                await StartOtherAsync(StoreProcess.Name, cancellation);
            await StartSiloAsync($"silo-{++_lastSilo}", cancellation);
            var web = StartOtherAsync(WebProcess.Name, cancellation);
            try
            {
                while (_lastSilo < _options.Silos)
                    await StartSiloAsync($"silo-{++_lastSilo}", cancellation);
            }
            finally
            {
                await web;
            }
        }
        finally
        {
            _gate.Release();
        }

        _control.Serve();
    }

    private async Task<LocalProcess> StartSiloAsync(string name, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await TryStartSiloAsync(name, isLast: attempt == PortTries, cancellation) is { } process)
                return process;
            _say(Own, $"{name} lost one of its ports to another process; it is started with others");
        }
    }

    /// <summary>Null where another process was quicker to take one of its ports; thrown in the last attempt.</summary>
    private async Task<LocalProcess?> TryStartSiloAsync(string name, bool isLast, CancellationToken cancellation)
    {
        int port = _options.ChoosePort(), gateway = _options.ChoosePort();
        var (process, child) = Launch(name, ["silo"], ClusterContract.Silo(_state, name, port, gateway), port, gateway);
        Change(() =>
        {
            _silos.Add((process, child));
            _dead.Remove(name);
        });
        try
        {
            var (_, http) = await child.WaitUntilReadyAsync(s_start, cancellation);
            var starting = process;
            process = process with { Http = http };
            Change(() => _silos[_silos.IndexOf((starting, child))] = (process, child));
        }
        catch
        {
            child.Kill();
            var code = await child.Exited;
            Change(() => _silos.Remove((process, child)));
            child.Dispose();
            if (code == ExitCodes.PortOccupied && !isLast)
                return null;
            throw;
        }

        _say(Own, $"{name} is up (process {process.Process.Pid}, port {port})");
        Change(() => _watches.Add(WatchSiloAsync(process, child)));
        return process;
    }

    /// <param name="name">Store or web.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="shortLives">How often in a row it ended right after its start.</param>
    private async Task StartOtherAsync(string name, CancellationToken cancellation, int shortLives = 0)
    {
        LocalProcess process;
        ChildProcess child;
        if (name == StoreProcess.Name)
        {
            var port = int.Parse(_state.Store.Split(':')[1], CultureInfo.InvariantCulture);
            (process, child) = Launch(name, ["store", "--port", _state.Store.Split(':')[1], "--data", _folder.Store], [], port, null);
        }
        else
        {
            // Where it was, if it was: pages that are open go on.
            var port = _state.Web is { } page ? new Uri(page).Port : _options.WebPort;
            (process, child) = Launch(name, ["web"], ClusterContract.Web(_state, port), port ?? 0, null);
        }

        Change(() => _others[name] = (process, child));
        var (address, _) = await child.WaitUntilReadyAsync(s_start, cancellation);
        if (name == WebProcess.Name)
        {
            process = process with { Port = new Uri(address).Port };
            Change(() => (_others[name], _state) = ((process, child), _state with { Web = address }));
        }

        _say(Own, $"{name} is up (process {process.Process.Pid}, port {process.Port})");
        Change(() => _watches.Add(WatchOtherAsync(process, child, shortLives)));
    }

    private (LocalProcess Process, ChildProcess Child) Launch(
        string name, IReadOnlyList<string> arguments, Dictionary<string, string?> contract, int port, int? gateway)
    {
        var log = _folder.Log(name);
        foreach (var (key, value) in _options.Settings)
            contract[key] = value;
        var child = ChildProcess.Start(name, arguments, ClusterContract.AsEnvironment(contract), log, line => _say(name, line));
        return (new LocalProcess
        {
            Name = name,
            Process = child.Identity,
            Port = port,
            GatewayPort = gateway,
            Started = DateTimeOffset.UtcNow,
            Log = log,
        }, child);
    }

    private async Task WatchSiloAsync(LocalProcess process, ChildProcess child)
    {
        var code = await child.Exited;
        if (_ending.IsCancellationRequested)
            return;
        try
        {
            await _gate.WaitAsync(_ending.Token);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        try
        {
            Change(() =>
            {
                _silos.Remove((process, child));
                if (code != 0)
                    _dead[process.Name] = process;
            });
            child.Dispose();
            var left = _silos.Count switch { 0 => "no silo is left", 1 => "1 silo is left", var n => $"{n} silos are left" };
            _say(Own, $"{process.Name} {End(code)}; {left}");
            if (_options.Restart && code != 0)
                await StartSiloAsync(process.Name, _ending.Token);
        }
        catch (UserErrorException error)
        {
            _say(Own, error.Message);
        }
        catch (OperationCanceledException)
        {
            // All of it ends.
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Store and page have no state but the store's data, so that starting them again hides nothing; it is said.</summary>
    private async Task WatchOtherAsync(LocalProcess process, ChildProcess child, int shortLives)
    {
        var code = await child.Exited;
        if (_ending.IsCancellationRequested)
            return;
        try
        {
            shortLives = DateTimeOffset.UtcNow - process.Started < s_shortLife ? shortLives + 1 : 0;
            if (shortLives == ShortLives)
            {
                _failed.TrySetResult(new UserErrorException(
                    $"{process.Name} {End(code)} right after its start, {ShortLives} times in a row.", $"{process.Log} has what it said."));
                return;
            }

            _say(Own, $"{process.Name} {End(code)}; it is started again");
            await StartOtherAsync(process.Name, _ending.Token, shortLives);
        }
        catch (UserErrorException error)
        {
            _failed.TrySetResult(error);
        }
        catch (OperationCanceledException)
        {
            // All of it ends.
        }
    }

    private static string End(int code) => code switch
    {
        0 => "has left",
        > 128 and < 160 => $"was killed (signal {code - 128})",
        _ => $"ended with exit code {code}",
    };

    private async Task<ControlAnswer> AnswerAsync(ControlRequest request, CancellationToken cancellation) => request.Verb switch
    {
        ControlRequest.AddSilo => new ControlAnswer { Silo = await AddSiloAsync(cancellation) },
        _ => new ControlAnswer { Error = $"The cluster knows no request \"{request.Verb}\".", Remedy = "Both must be of one version of this program." },
    };

    /// <summary>Changes which processes there are, and says so to other commands.</summary>
    private void Change(Action change)
    {
        lock (_change)
        {
            change();
            _state = _state with
            {
                Silos = [.. _silos.Select(silo => silo.Process)],
                Others = [.. _others.Values.Select(other => other.Process)],
            };
            _folder.Write(_state);
            _folder.Write(MetricsTarget.Of(_state, _dead.Values));
        }
    }
}
