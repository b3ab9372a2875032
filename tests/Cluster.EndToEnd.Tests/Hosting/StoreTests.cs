using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Training;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;
using StackExchange.Redis;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>What the cluster relies on of a store, over the embedded one; the same over a real Redis below.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class GarnetStoreTests
{
    [Fact]
    public async Task Silos_TwoOnOneStore_AreMembersAndStateSurvivesOne()
    {
        await using var store = await TestStore.GarnetAsync();
        await StoreChecks.MembersAndStateAsync(store);
    }

    [Fact]
    public async Task Write_OldTagOrMissingRecord_IsRefused()
    {
        await using var store = await TestStore.GarnetAsync();
        await StoreChecks.ConditionalWriteAsync(store);
    }

    [Fact]
    public async Task Clusters_TwoOnOneStore_DoNotMix()
    {
        await using var store = await TestStore.GarnetAsync();
        await StoreChecks.TwoClustersAsync(store);
    }

    [Fact]
    public async Task Store_KilledAndStartedAgain_KeepsEveryWrite()
    {
        await using var store = await TestStore.GarnetAsync();
        await StoreChecks.KilledAsync(store);
    }
}

/// <inheritdoc cref="GarnetStoreTests"/>
[Collection(ProcessCollection.Hosting)]
public sealed class RedisStoreTests
{
    [RedisFact]
    public async Task Silos_TwoOnOneStore_AreMembersAndStateSurvivesOne()
    {
        await using var store = await TestStore.RedisAsync();
        await StoreChecks.MembersAndStateAsync(store);
    }

    [RedisFact]
    public async Task Write_OldTagOrMissingRecord_IsRefused()
    {
        await using var store = await TestStore.RedisAsync();
        await StoreChecks.ConditionalWriteAsync(store);
    }

    [RedisFact]
    public async Task Clusters_TwoOnOneStore_DoNotMix()
    {
        await using var store = await TestStore.RedisAsync();
        await StoreChecks.TwoClustersAsync(store);
    }

    [RedisFact]
    public async Task Store_KilledAndStartedAgain_KeepsEveryWrite()
    {
        await using var store = await TestStore.RedisAsync();
        await StoreChecks.KilledAsync(store);
    }
}

/// <summary>The checks themselves, whatever the store is.</summary>
internal static class StoreChecks
{
    private const string Key = "run/pretraining";

    public static async Task MembersAndStateAsync(TestStore store)
    {
        var first = await store.SiloAsync("first", "one");
        var second = await store.SiloAsync("second", "one");
        Assert.Equal(["first", "second"], await ActiveAsync(second));

        // Grains are placed where they are called from.
        await Schedule(first).OpenAsync(Job(steps: 40));
        var halt = await Schedule(first).GetHaltAsync(0, 40);
        await store.StopAsync(first);

        Assert.Equal(halt, await Schedule(second).GetHaltAsync(0, 40));
        Assert.Equal(["second"], await ActiveAsync(second));
    }

    public static async Task ConditionalWriteAsync(TestStore store)
    {
        var host = await store.SiloAsync("silo", "one");
        var storage = host.Services.GetRequiredKeyedService<IGrainStorage>("Default");
        await using var redis = await store.ConnectAsync();
        var id = GrainId.Create("thing", "a");

        var mine = new GrainState<ScheduleState> { State = Of(1) };
        await storage.WriteStateAsync("state", id, mine);
        var late = new GrainState<ScheduleState>();
        await storage.ReadStateAsync("state", id, late);
        mine.State = Of(2);
        await storage.WriteStateAsync("state", id, mine);

        // An older tag.
        late.State = Of(3);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("state", id, late));
        // None, though there is a record.
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("state", id, new GrainState<ScheduleState> { State = Of(4) }));
        Assert.Equal(2, await ReadAsync());

        // A live one, but the record is gone: a store that comes back empty must not be written on as if nothing had been.
        Assert.True(await redis.GetDatabase().KeyDeleteAsync(Assert.Single(redis.GetServers().Single().Keys(pattern: "one/state/*").ToList())));
        mine.State = Of(5);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("state", id, mine));
        Assert.Null(await ReadAsync());

        async Task<int?> ReadAsync()
        {
            var read = new GrainState<ScheduleState>();
            await storage.ReadStateAsync("state", id, read);
            return read.RecordExists ? (int)read.State!.Job!.LastStep : null;
        }
    }

    public static async Task TwoClustersAsync(TestStore store)
    {
        var one = await store.SiloAsync("silo", "one");
        var other = await store.SiloAsync("silo-of-other", "other");
        await Schedule(one).OpenAsync(Job(steps: 40));

        Assert.Equal(["silo"], await ActiveAsync(one));
        Assert.Equal(["silo-of-other"], await ActiveAsync(other));
        Assert.Equal(40, (await Schedule(one).GetHaltAsync(39, 40)).Steps);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Schedule(other).GetHaltAsync(39, 40));

        await using var redis = await store.ConnectAsync();
        var keys = redis.GetServers().Single().Keys().Select(key => key.ToString()).ToList();
        Assert.All(keys, key => Assert.True(key.StartsWith("one/", StringComparison.Ordinal) || key.StartsWith("other/", StringComparison.Ordinal), key));
        Assert.Contains("one/members/one", keys);
        Assert.Contains("other/members/other", keys);
    }

    public static async Task KilledAsync(TestStore store)
    {
        const int count = 200;
        await using (var redis = await store.ConnectAsync())
        {
            for (var i = 0; i < count; i++)
                await redis.GetDatabase().HashSetAsync($"key{i}", [new HashEntry("etag", i), new HashEntry("data", $"value {i}")]);
        }

        await store.KillAndRestartAsync();

        await using var again = await store.ConnectAsync();
        for (var i = 0; i < count; i++)
            Assert.Equal($"value {i}", (await again.GetDatabase().HashGetAsync($"key{i}", "data")).ToString());
        Assert.Equal(RedisValue.Null, await again.GetDatabase().HashGetAsync($"key{count}", "data"));
    }

    private static async Task<IEnumerable<string>> ActiveAsync(IHost host)
    {
        var members = await Grains(host).GetGrain<IManagementGrain>(0).GetDetailedHosts(onlyActive: true);
        return members.Select(member => member.SiloName).Order(StringComparer.Ordinal);
    }

    private static IScheduleGrain Schedule(IHost host) => Grains(host).GetGrain<IScheduleGrain>(Key);

    private static IGrainFactory Grains(IHost host) => host.Services.GetRequiredService<IGrainFactory>();

    private static ScheduleState Of(int steps) => new() { Job = Job(steps) };

    private static TrainingJob Job(int steps) => new(
        "run", StageNames.Pretraining, RecipeJson.Canonical(new Recipe { Training = new TrainingRecipe { Steps = steps } }), "/nowhere", [], 0, steps, null, []);
}
