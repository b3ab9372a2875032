// Enters: configuration as Aspire and Kubernetes write it. Leaves: connections to the stores it names, and whether they answer.
// Does not know: what is kept in a store.

using System.Globalization;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace Cluster.ServiceDefaults;

/// <summary>
/// The Redis, Valkey or Garnet that membership and grain storage are kept in. Orleans' providers are named in the configuration
/// (<c>Orleans:Clustering:ProviderType=Redis</c>, <c>Orleans:Clustering:ServiceKey=redis</c>, <c>Orleans:GrainStorage:Default:…</c>), each
/// service key stands for a connection string (<c>ConnectionStrings:redis</c>), and Orleans asks for the connection by that key.
/// </summary>
public static class StoreConnections
{
    /// <summary>The one type of provider there is a package for.</summary>
    public const string Redis = "Redis";

    /// <summary>Where the provider of the membership is named; absent in a process that is a cluster by itself.</summary>
    public const string ClusteringType = "Orleans:Clustering:ProviderType";

    /// <summary>Where the key of its connection string is named.</summary>
    public const string ClusteringKey = "Orleans:Clustering:ServiceKey";

    /// <summary>Where the cluster's name is.</summary>
    public const string ClusterId = "Orleans:ClusterId";

    /// <summary>Where the name is that its records in the store begin with.</summary>
    public const string ServiceId = "Orleans:ServiceId";

    private const string ServiceKey = "ServiceKey", PatienceKey = "Cluster:StorePatience", Members = "/members/";
    private const int DefaultPatience = 60, MostPatience = 86_400;
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(500), s_longestPause = TimeSpan.FromSeconds(8);

    /// <summary>Whether membership is kept in a store, rather than in the memory of one silo of this machine.</summary>
    /// <exception cref="UserErrorException">In a store of a type that is not known here.</exception>
    public static bool HasStore(IConfiguration configuration) => configuration[ClusteringType] switch
    {
        null or "" => false,
        Redis => true,
        var other => throw new UserErrorException(
            $"{ClusteringType} is \"{other}\".", $"Give {Redis}, or leave it out for a cluster of one machine that keeps its membership in memory."),
    };

    /// <summary>
    /// Adds a connection for each service key. It is opened when first asked for, and a store that is not there yet, or is gone for a
    /// while, is tried again.
    /// </summary>
    /// <exception cref="UserErrorException">
    /// A key has no connection string, or one that is none, or the membership is kept in a store of an unknown type.
    /// </exception>
    public static void AddStores(this IHostApplicationBuilder builder)
    {
        // Orleans would say it too, but not what else to give.
        _ = HasStore(builder.Configuration);
        _ = Patience(builder.Configuration);
        foreach (var key in Keys(builder.Configuration))
        {
            var options = Options(builder.Configuration, key);
            builder.Services.AddKeyedSingleton<IConnectionMultiplexer>(key, (_, _) => ConnectionMultiplexer.Connect(options));
        }
    }

    /// <summary>Makes sure that every store answers, so that a process ends with its reason and not in the middle of its start.</summary>
    /// <param name="services">Of a host with <see cref="AddStores"/>.</param>
    /// <exception cref="UserErrorException">One does not.</exception>
    public static async Task CheckStoresAsync(this IServiceProvider services)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        foreach (var key in Keys(configuration))
        {
            try
            {
                await services.GetRequiredKeyedService<IConnectionMultiplexer>(key).GetDatabase().PingAsync();
            }
            // One that gives up while it is asked says so in its own way.
            catch (Exception error) when (error is RedisException or TimeoutException or ObjectDisposedException)
            {
                throw Unreachable($"ConnectionStrings:{key}", Options(configuration, key), error);
            }
        }
    }

    /// <summary>
    /// Waits until every store answers, with longer and longer pauses between two attempts, and says so: whoever is started together with its
    /// store must not die of being quicker. <c>Cluster:StorePatience</c> says for how many seconds, 60 if it says nothing.
    /// </summary>
    /// <param name="services">Of a host with <see cref="AddStores"/>.</param>
    /// <param name="say">Told of the first failure and of each attempt after it.</param>
    /// <param name="cancellation">Gives up at once.</param>
    /// <exception cref="UserErrorException">One did not in all that time; or the time is none.</exception>
    public static async Task WaitForStoresAsync(this IServiceProvider services, Action<string> say, CancellationToken cancellation = default)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        var patience = Patience(configuration);
        var time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        var began = time.GetTimestamp();
        for (var pause = s_firstPause; ; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, s_longestPause.Ticks)))
        {
            try
            {
                await services.CheckStoresAsync();
                return;
            }
            catch (UserErrorException error)
            {
                var left = patience - time.GetElapsedTime(began);
                if (left <= TimeSpan.Zero)
                    throw new UserErrorException($"{error.What[..^1]}, and did not for {patience.TotalSeconds:0} s.", error.Remedy, error);
                if (pause > left)
                    pause = left;
                say(FormattableString.Invariant($"{error.What} Asking again in {pause.TotalSeconds:0.#} s, for {left.TotalSeconds:0} s more."));
                await Task.Delay(pause, time, cancellation);
            }
        }
    }

    /// <summary>Makes sure that the cluster has its names, where its membership is kept in a store.</summary>
    /// <exception cref="UserErrorException">One is missing: a process would silently be of a cluster that nobody meant.</exception>
    public static void CheckNames(IConfiguration configuration)
    {
        foreach (var key in (string[])[ClusterId, ServiceId])
        {
            if (HasStore(configuration) && string.IsNullOrWhiteSpace(configuration[key]))
            {
                throw new UserErrorException(
                    $"{key} is missing, though the membership is kept in a store.", "Give the cluster's: all its silos and clients have the same.");
            }
        }
    }

    /// <summary>
    /// Clusters that the store knows silos of, living or dead, where the one that is configured is not among them; empty where it is, where
    /// there are no others, and where the store does not say.
    /// </summary>
    /// <param name="services">Of a host with <see cref="AddStores"/>, or of a client.</param>
    public static async Task<IReadOnlyList<string>> OtherClustersAsync(this IServiceProvider services)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        if (!HasStore(configuration) || configuration[ClusteringKey] is not { Length: > 0 } key)
            return [];
        try
        {
            // A connection of its own: the host's may be gone with a start that failed.
            await using var multiplexer = await ConnectionMultiplexer.ConnectAsync(Options(configuration, key));
            var found = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var server in multiplexer.GetServers())
            {
                // As Orleans' membership in Redis names its keys: SERVICE/members/CLUSTER, a hash of the version and a field for each silo. A
                // client leaves one without silos behind, whatever cluster it asks for.
                await foreach (var name in server.KeysAsync(pattern: "*" + Members + "*"))
                {
                    if (await multiplexer.GetDatabase().HashLengthAsync(name) > 1)
                        found.Add(name.ToString().Split(Members, 2)[1]);
                }
            }

            return found.Contains(configuration[ClusterId] ?? "") ? [] : [.. found];
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            // Then somebody else says so.
            return [];
        }
    }

    /// <summary>Makes sure that a store answers.</summary>
    /// <param name="name">What the user calls it.</param>
    /// <param name="connection">Its connection string, in the simplest case HOST:PORT.</param>
    /// <exception cref="UserErrorException">It does not, or the string is none.</exception>
    public static async Task CheckAsync(string name, string connection)
    {
        var options = Parse(name, connection);
        try
        {
            await using var multiplexer = await ConnectionMultiplexer.ConnectAsync(options);
            await multiplexer.GetDatabase().PingAsync();
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            throw Unreachable(name, options, error);
        }
    }

    /// <summary>Deletes what a cluster that is no more has left; a store that does not answer keeps it.</summary>
    /// <param name="connection">The store's connection string.</param>
    /// <param name="prefix">What its keys begin with.</param>
    public static async Task ForgetAsync(string connection, string prefix)
    {
        try
        {
            await using var multiplexer = await ConnectionMultiplexer.ConnectAsync(connection);
            foreach (var server in multiplexer.GetServers())
            {
                await foreach (var key in server.KeysAsync(pattern: prefix + "*"))
                    await multiplexer.GetDatabase().KeyDeleteAsync(key);
            }
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            // Records of a cluster whose name is never used again harm nobody.
        }
    }

    private static TimeSpan Patience(IConfiguration configuration) => configuration[PatienceKey] switch
    {
        null or "" => TimeSpan.FromSeconds(DefaultPatience),
        var text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= MostPatience => TimeSpan.FromSeconds(seconds),
        var text => throw new UserErrorException($"{PatienceKey} is \"{text}\".", $"Give seconds from 0 to {MostPatience}."),
    };

    private static UserErrorException Unreachable(string name, ConfigurationOptions options, Exception error) => new(
        // Endpoints only: a connection string may hold a password.
        $"The store at {string.Join(", ", options.EndPoints.Select(Text))} ({name}) does not answer.",
        "Start it there, or give the address of a Redis or Valkey that runs.", error);

    private static string Text(System.Net.EndPoint endPoint) =>
        endPoint is System.Net.DnsEndPoint name ? $"{name.Host}:{name.Port}" : endPoint.ToString()!;

    private static IEnumerable<string> Keys(IConfiguration configuration)
    {
        var orleans = configuration.GetSection("Orleans");
        return orleans.GetChildren().SelectMany(kind => kind.GetChildren().Append(kind)).Select(provider => provider[ServiceKey])
            .OfType<string>().Where(key => key.Length > 0).Distinct(StringComparer.Ordinal);
    }

    private static ConfigurationOptions Options(IConfiguration configuration, string key) =>
        configuration.GetConnectionString(key) is { Length: > 0 } text
            ? Parse($"ConnectionStrings:{key}", text)
            : throw new UserErrorException(
                $"ConnectionStrings:{key} is missing, which Orleans:…:{ServiceKey} names.", "Give the store's HOST:PORT there.");

    private static ConfigurationOptions Parse(string name, string text)
    {
        try
        {
            var options = ConfigurationOptions.Parse(text);
            if (options.EndPoints.Count > 0)
            {
                options.AbortOnConnectFail = false;
                return options;
            }
        }
        catch (ArgumentException)
        {
            // Said below; the string may hold a password.
        }

        throw new UserErrorException($"{name} is no address of a store.", "Give HOST:PORT, and what else StackExchange.Redis takes after a comma.");
    }
}
