using System.Diagnostics.Metrics;
using Cluster.Contracts.Inference;
using Cluster.Core.Runs;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;
using Cluster.Silo.Inference;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cluster.Silo.Tests.Inference;

/// <summary>One worker over a tiny run.</summary>
public sealed class ModelWorkerTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster").FullName;
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly ManualTime _time = new();
    private readonly List<ModelWorker> _workers = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var worker in _workers)
            await worker.DisposeAsync();
        await _services.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Submit_Text_ReplyOfTheGeneratorToTheLastToken()
    {
        TinyRun.Write(_root, "tiny");
        var request = Request("a", 40);

        var (ids, text, finish) = await ReadAll(Worker(), request);

        using var model = RunModel.Open(new RunFolder(Path.Combine(_root, "tiny")), _ => { });
        var expected = model.Write("Once", new GenerationOptions { MaxTokens = 40, Seed = 5, StopTokens = [] });
        var expectedText = string.Concat(expected.Select(token => token.Text));
        Assert.Equal(expected.Ids.ToArray(), ids);
        Assert.Equal(expectedText, text);
        Assert.Equal(expected.Finish == FinishReason.Stop ? ReplyFinish.Stop : ReplyFinish.Length, finish);
    }

    [Fact]
    public async Task Submit_EmittedIdsOnAnotherWorker_SameTailOfEachReply()
    {
        TinyRun.Write(_root, "tiny");
        var request = Request("a", 60) with { Settings = Settings(60) with { Choices = 3, LogProbabilities = true, TopLogProbabilities = 2 } };
        var first = Worker();
        var whole = await SubmitAsync(first, request);
        Assert.Equal(["a/0", "a/1", "a/2"], whole.Replies);
        for (var choice = 0; choice < 3; choice++)
        {
            var all = await ReadAsync(first, $"a/{choice}");
            Assert.Equal(60, all.Pieces.Count);
            foreach (var cut in new[] { 0, 1, 7, 31, 59 })
            {
                var again = Worker();
                var rest = request with
                {
                    Id = "b",
                    Choice = choice,
                    Emitted = all.Pieces.Take(cut).Select(piece => piece.Id).ToArray(),
                    Weights = whole.Weights,
                };
                var answer = await SubmitAsync(again, rest);
                Assert.Equal([$"b/{choice}"], answer.Replies);
                var tail = await ReadAsync(again, answer.Replies[0]);
                Assert.Equal(all.Pieces.Skip(cut).Select(Facts), tail.Pieces.Select(Facts));
                Assert.Equal(all.Finish, tail.Finish);
            }
        }

        static string Facts(ReplyPiece piece) =>
            $"{piece.Id} {piece.Text} {piece.LogProbability:R} {Convert.ToHexString(piece.Token!)} {string.Join(',', piece.Top!.Select(top => $"{top.Id} {top.LogProbability:R}"))}";
    }

    [Fact]
    public async Task Submit_SameIdTwice_SameReplies()
    {
        TinyRun.Write(_root, "tiny");
        var worker = Worker();

        var one = await SubmitAsync(worker, Request("a", 10));
        var two = await SubmitAsync(worker, Request("a", 10));

        Assert.Same(one, two);
        Assert.Equal(10, (await ReadAsync(worker, "a/0")).Pieces.Count);
        Assert.Equal(1, worker.Figures().Finished.Values.Sum());
    }

    [Fact]
    public async Task Read_AnyPlaceAgain_SameTokens()
    {
        TinyRun.Write(_root, "tiny");
        var worker = Worker();
        await SubmitAsync(worker, Request("a", 20));
        var all = await ReadAsync(worker, "a/0");

        var again = await worker.ReadAsync("a/0", 13);

        Assert.Equal(all.Pieces.Skip(13), again.Pieces);
        Assert.Equal((ReplyState.Ended, ReplyFinish.Length), (again.State, again.Finish!.Value));
        Assert.Empty((await worker.ReadAsync("a/0", 20)).Pieces);
        Assert.Equal(ReplyState.Lost, (await worker.ReadAsync("b/0", 0)).State);
    }

    [Fact]
    public async Task Sweep_NobodyReads_ReplyIsCancelledAndItsBlocksAreFree()
    {
        TinyRun.Write(_root, "tiny", context: 32_768);
        var worker = Worker();
        await SubmitAsync(worker, Request("a", 32_000));
        Assert.NotEmpty((await worker.ReadAsync("a/0", 0)).Pieces);

        _time.Advance(TimeSpan.FromSeconds(29));
        worker.Sweep();
        Assert.NotEmpty((await worker.ReadAsync("a/0", 0)).Pieces);
        _time.Advance(TimeSpan.FromSeconds(30));
        worker.Sweep();

        Assert.Equal(ReplyState.Lost, (await worker.ReadAsync("a/0", 0)).State);
        await Until(() => worker.Load() is { Running: 0, Waiting: 0 } load && load.FreeBlocks == load.Blocks);
        Assert.Equal(1, worker.Figures().Finished["cancelled"]);
    }

    [Fact]
    public async Task Cancel_UnderWay_ReaderIsToldAndBlocksAreFree()
    {
        TinyRun.Write(_root, "tiny", context: 32_768);
        var worker = Worker();
        await SubmitAsync(worker, Request("a", 32_000));

        worker.Cancel(["a/0"]);

        await Until(() => worker.Load() is { Running: 0 } load && load.FreeBlocks == load.Blocks);
        Assert.Equal(1, worker.Figures().Finished["cancelled"]);
    }

    [Fact]
    public async Task Stop_UnderWay_LostAtOnceAndNothingIsTaken()
    {
        TinyRun.Write(_root, "tiny", context: 32_768);
        var worker = Worker();
        await SubmitAsync(worker, Request("a", 32_000));

        worker.Stop();

        Assert.Equal(ReplyState.Lost, (await worker.ReadAsync("a/0", int.MaxValue)).State);
        Assert.Equal(RefusalKind.Unavailable, (await worker.SubmitAsync(Request("b", 1))).Refusal!.Kind);
        Assert.False(worker.Load().Ready);
    }

    [Fact]
    public async Task Refresh_NewerCheckpoint_NewRequestsGoToItAndTheOldEngineDrains()
    {
        var old = TinyRun.Write(_root, "tiny", step: 1, context: 32_768);
        var worker = Worker();
        Assert.Equal(old, (await SubmitAsync(worker, Request("a", 32_000))).Weights);
        var newer = TinyRun.Write(_root, "tiny", step: 2, context: 32_768);

        worker.Refresh();
        await Until(() => worker.Load().Weights == newer);

        Assert.Equal(newer, (await SubmitAsync(worker, Request("b", 10))).Weights);
        Assert.Equal(2, worker.Load().Engines);
        Assert.Equal(ReplyState.Running, (await worker.ReadAsync("a/0", 0)).State);
        // A reply that was begun elsewhere goes on with the weights that it was begun with.
        Assert.Equal(old, (await SubmitAsync(worker, Request("c", 10) with { Weights = old })).Weights);
        worker.Cancel(["a/0"]);
        await ReadAsync(worker, "c/0");
        await Until(() => worker.Load().Engines == 1);
        Assert.Equal(10, (await ReadAsync(worker, "b/0")).Pieces.Count);
        // Its engine is gone, its checkpoint is not.
        Assert.Equal(old, (await SubmitAsync(worker, Request("d", 10) with { Weights = old })).Weights);
    }

    [Fact]
    public async Task Submit_WeightsThatAreNowhere_RefusedForGood()
    {
        TinyRun.Write(_root, "tiny");

        var answer = await SubmitAsync(Worker(), Request("a", 10) with { Weights = new string('0', 64) });

        Assert.Equal(RefusalKind.WeightsGone, answer.Refusal!.Kind);
    }

    [Fact]
    public async Task Submit_MoreModelsThanEngines_IdleOneMakesRoomABusyOneDoesNot()
    {
        TinyRun.Write(_root, "one", context: 32_768);
        TinyRun.Write(_root, "two", context: 32_768);
        var limit = new EngineLimit(1);
        ModelWorker one = Worker("one", limit), two = Worker("two", limit);
        await SubmitAsync(one, Request("a", 32_000));

        var refused = await SubmitAsync(two, Request("b", 5));
        Assert.Equal("The silo has 1 engines at work and may have 1. Try again later.", refused.Refusal!.Message);
        one.Cancel(["a/0"]);
        while ((await SubmitAsync(two, Request("b", 5))).State != SubmitState.Accepted)
            _time.Advance(TimeSpan.FromSeconds(5));

        Assert.False(one.Load().Ready);
        // What an engine has done outlives it.
        Assert.Equal((0, 0, 1), (one.Figures().Blocks, one.Figures().Running, one.Figures().Finished["cancelled"]));
    }

    [Theory]
    [InlineData("unknown")]
    [InlineData("..")]
    [InlineData("../tiny")]
    [InlineData("")]
    public async Task Submit_NoSuchModel_SaysSo(string name)
    {
        TinyRun.Write(_root, "tiny");

        Assert.Equal(RefusalKind.UnknownModel, (await Worker(name).SubmitAsync(Request("a", 1))).Refusal!.Kind);
    }

    public static TheoryData<GenerationSettings, string, string> BadSettings => new()
    {
        { new() { Temperature = -1 }, "temperature", "temperature is -1. Give 0 (greedy) or a number up to 100." },
        { new() { TopP = 0 }, "top_p", "top_p is 0. Give a number above 0 and at most 1." },
        { new() { TopK = -1 }, "top_k", "top_k is -1. Give 0 (all tokens) or a number of tokens." },
        { new() { MaxTokens = 0 }, "max_tokens", "max_tokens is 0. Give a whole number from 1 to 1048576." },
        { new() { Choices = 17 }, "n", "n is 17. Give a whole number from 1 to 16." },
        { new() { TopLogProbabilities = 21 }, "top_logprobs", "top_logprobs is 21. Give a whole number from 0 to 20." },
        { new() { Stop = [.. Enumerable.Repeat("x", 1_000)] }, "stop", "stop is a list of 1000 strings. Give at most 16." },
        { new() { StopTokens = [272] }, "stop_token_ids", "stop_token_ids is a list with the id 272. Give ids from 0 to 271." },
        { new() { LogitBias = new Dictionary<int, double> { [272] = 1 } }, "logit_bias", "logit_bias is a map with the id 272. Give ids from 0 to 271." },
    };

    [Theory]
    [MemberData(nameof(BadSettings))]
    public async Task Submit_SettingOutOfRange_NamesFieldValueAndRange(GenerationSettings settings, string field, string message)
    {
        TinyRun.Write(_root, "tiny");
        var worker = Worker();

        var answer = await SubmitAsync(worker, Request("a", 1) with { Settings = settings });

        Assert.Equal(new Refusal(RefusalKind.BadRequest, field, message), answer.Refusal);
        Assert.Equal(SubmitState.Accepted, (await SubmitAsync(worker, Request("b", 1))).State);
    }

    [Fact]
    public async Task Submit_PromptOfNoUse_NamesFieldAndLimit()
    {
        TinyRun.Write(_root, "tiny");
        var worker = Worker();

        var tooLong = await SubmitAsync(worker, Request("a", 1) with { Text = new string('x', 300) });
        var unknownId = await SubmitAsync(worker, Request("b", 1) with { Text = null, Tokens = [1, 272] });
        var noTurn = await SubmitAsync(worker, Request("c", 1) with { Text = null, Messages = [new(PromptRole.Assistant, "Hi")] });

        Assert.Equal(new Refusal(RefusalKind.PromptTooLong, "prompt",
            "The prompt has 301 tokens; the model's context holds 256, reply included. Shorten it to at most 255 tokens."), tooLong.Refusal);
        Assert.Equal(new Refusal(RefusalKind.BadRequest, "prompt", "prompt holds the token id 272 at place 1. Give ids from 0 to 271."), unknownId.Refusal);
        Assert.Equal((RefusalKind.BadRequest, "messages"), (noTurn.Refusal!.Kind, noTurn.Refusal.Field));
    }

    private static GenerationSettings Settings(int maxTokens) => new() { MaxTokens = maxTokens, Seed = 5, IgnoreEndOfText = true };

    private static GenerationRequest Request(string id, int maxTokens) => new() { Id = id, Text = "Once", Settings = Settings(maxTokens) };

    private static async Task<SubmitAnswer> SubmitAsync(ModelWorker worker, GenerationRequest request)
    {
        SubmitAnswer answer;
        do
            answer = await worker.SubmitAsync(request);
        while (answer.State == SubmitState.Loading);
        return answer;
    }

    private static async Task<ReplyStretch> ReadAsync(ModelWorker worker, string reply)
    {
        ReplyStretch stretch;
        var pieces = new List<ReplyPiece>();
        do
        {
            stretch = await worker.ReadAsync(reply, pieces.Count);
            pieces.AddRange(stretch.Pieces);
        }
        while (stretch.State == ReplyState.Running);
        return stretch with { Pieces = pieces };
    }

    private static async Task<(int[] Ids, string Text, ReplyFinish? Finish)> ReadAll(ModelWorker worker, GenerationRequest request)
    {
        var stretch = await ReadAsync(worker, (await SubmitAsync(worker, request)).Replies[0]);
        return ([.. stretch.Pieces.Select(piece => piece.Id)], string.Concat(stretch.Pieces.Select(piece => piece.Text)), stretch.Finish);
    }

    /// <summary>Waits for another thread's doing, as long as it takes.</summary>
    private static async Task Until(Func<bool> holds)
    {
        while (!holds())
            await Task.Yield();
    }

    private ModelWorker Worker(string name = "tiny", EngineLimit? limit = null)
    {
        var worker = new ModelWorker(name, new InferenceOptions { RunsPath = _root }, limit ?? new EngineLimit(8),
            () => _workers.Exists(other => other.FreeIdle()), _time, new InferenceInstruments(_services.GetRequiredService<IMeterFactory>()), NullLogger.Instance);
        _workers.Add(worker);
        return worker;
    }
}
