using System.Text;
using Cluster.Contracts.Inference;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Tests.Inference;

/// <summary>Pool, workers and client over real silos in this process.</summary>
public sealed class InferencePoolTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster").FullName;
    private readonly SiloHosts _silos;

    public InferencePoolTests() => _silos = new SiloHosts(_root);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _silos.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_WorkersSiloKilledMidReply_SameRepliesAsUndisturbed(bool saysGoodbye)
    {
        TinyRun.Write(_root, "tiny");
        await _silos.StartAsync("a", "data");
        await _silos.StartAsync("b", "inference", saysGoodbye);
        await _silos.StartAsync("c", "inference", saysGoodbye);
        var request = Request("undisturbed") with { Settings = Settings with { Choices = 2 } };
        var expected = await ReadAllAsync(new InferenceClient(_silos.Grains), "tiny", request);
        Assert.Equal(2, expected.Count);

        var (grains, gate) = GatedGrains.Create(_silos.Grains, tokens: 7);
        var client = new InferenceClient(grains, new InferencePatience { Call = TimeSpan.FromMinutes(1) });
        await using var generation = await client.BeginAsync("tiny", request with { Id = "disturbed" }, default);
        var silo = ReplicaKey.Parse(generation.WorkerOf(0)).Silo;
        var reading = CollectAsync(generation);
        await gate.Reached;
        await _silos.KillAsync(silo);
        gate.Open();

        Assert.Equal(expected, await reading);
        Assert.Equal(2, generation.Resumed);
        Assert.NotEqual(silo, ReplicaKey.Parse(generation.WorkerOf(0)).Silo);
    }

    [Fact]
    public async Task Pool_TwoWorkersWanted_OneThatHadNoRequestIsLoadedTooAndAgainAfterItsSilosReturn()
    {
        TinyRun.Write(_root, "tiny");
        await using var silos = new SiloHosts(_root, new Dictionary<string, string?> { ["Cluster:Inference:MinWorkers"] = "2" });
        await silos.StartAsync("a", "data");
        await silos.StartAsync("b", "inference");
        await silos.StartAsync("c", "inference");
        var client = new InferenceClient(silos.Grains);
        await BothAsync();
        await silos.KillAsync("c");
        await silos.StartAsync("c", "inference");
        await BothAsync();

        // One request after the other goes where the one before went, until both can answer.
        async Task BothAsync()
        {
            while (true)
            {
                await ReadAllAsync(client, "tiny", Request(Guid.NewGuid().ToString()) with { Settings = Settings with { MaxTokens = 1 } });
                var workers = await silos.Grains.GetGrain<IInferencePoolGrain>("tiny").GetWorkersAsync();
                if (workers.Count == 2 && workers.All(worker => worker.Load is { Ready: true }))
                    return;
            }
        }
    }

    [Fact]
    public async Task Pool_OneSilo_ModelsByNameTokensAndHotSwap()
    {
        var old = TinyRun.Write(_root, "tiny", step: 1);
        var other = TinyRun.Write(_root, "other", step: 9);
        await _silos.StartAsync("a", "inference");
        var client = new InferenceClient(_silos.Grains);

        Assert.Equal([("other", other), ("tiny", old)], (await client.ModelsAsync(default)).Select(model => (model.Name, model.Weights)));
        await using (var one = await client.BeginAsync("tiny", Request("1"), default))
        await using (var two = await client.BeginAsync("other", Request("2"), default))
        {
            Assert.Equal((old, other), (one.Weights, two.Weights));
            Assert.Equal(5, one.PromptTokens);
            Assert.NotEqual(await CollectAsync(one), await CollectAsync(two));
        }

        var question = new TokenQuestion("añ", null, AddSpecialTokens: true);
        Assert.Equal([256, (int)'a', 0xC3, 0xB1], (await client.TokenizeAsync("tiny", question, default)).Ids.Select((id, i) => i == 0 ? id : ByteOf(id)));
        Assert.Equal("añ", await client.DetokenizeAsync("tiny", [.. (await client.TokenizeAsync("tiny", question with { AddSpecialTokens = false }, default)).Ids], default));
        var refused = await Assert.ThrowsAsync<InferenceException>(() => client.DetokenizeAsync("tiny", [272], default));
        Assert.Equal(new Refusal(RefusalKind.BadRequest, "tokens", "tokens holds the token id 272 at place 0. Give ids from 0 to 271."), refused.Refusal);

        var newer = TinyRun.Write(_root, "tiny", step: 2);
        await _silos.Grains.GetGrain<IInferencePoolGrain>("tiny").PublishedAsync();
        string? weights;
        do
        {
            await using var generation = await client.BeginAsync("tiny", Request(Guid.NewGuid().ToString()), default);
            weights = generation.Weights;
        }
        while (weights == old);
        Assert.Equal(newer, weights);
        Assert.Equal(newer, (await client.DescribeAsync("tiny", default))!.Weights);

        var unknown = await Assert.ThrowsAsync<InferenceException>(() => client.BeginAsync("unknown", Request("3"), default));
        Assert.Equal((RefusalKind.UnknownModel, "model"), (unknown.Refusal.Kind, unknown.Refusal.Field));
        Assert.Null(await client.DescribeAsync("unknown", default));

        // The byte tokenizer's ids are in the order of its alphabet.
        static int ByteOf(int id) => Cluster.Data.Tokens.BytePairTokenizer.OfBytes().TokenBytes(id)[0];
    }

    [Fact]
    public async Task Begin_NoSiloOfInference_UnavailableAfterTheClientsPatience()
    {
        TinyRun.Write(_root, "tiny");
        await _silos.StartAsync("a", "data");
        var client = new InferenceClient(_silos.Grains, new InferencePatience { Worker = TimeSpan.FromMilliseconds(300) });

        var error = await Assert.ThrowsAsync<InferenceException>(() => client.BeginAsync("tiny", Request("1"), default));

        Assert.Equal(RefusalKind.Unavailable, error.Refusal.Kind);
        Assert.Equal("No silo with the role inference is there. Start one, or wait until it has started.", error.Message);
    }

    private static GenerationSettings Settings => new() { MaxTokens = 100, Seed = 11, IgnoreEndOfText = true };

    private static GenerationRequest Request(string id) => new() { Id = id, Text = "Once", Settings = Settings };

    private static async Task<SortedDictionary<int, string>> ReadAllAsync(InferenceClient client, string model, GenerationRequest request)
    {
        await using var generation = await client.BeginAsync(model, request, default);
        return await CollectAsync(generation);
    }

    /// <summary>Ids, text and end of each reply.</summary>
    private static async Task<SortedDictionary<int, string>> CollectAsync(Generation generation)
    {
        var replies = new Dictionary<int, (StringBuilder Ids, StringBuilder Text, ReplyFinish? Finish)>();
        await foreach (var (choice, piece, finish) in generation.ReadAsync(default))
        {
            var reply = replies.GetValueOrDefault(choice, (new StringBuilder(), new StringBuilder(), null));
            Assert.Null(reply.Finish);
            reply.Ids.Append(piece?.Id).Append(' ');
            reply.Text.Append(piece?.Text);
            replies[choice] = reply with { Finish = finish };
        }

        return new(replies.ToDictionary(reply => reply.Key, reply => $"{reply.Value.Ids}|{reply.Value.Text}|{reply.Value.Finish}"));
    }
}
