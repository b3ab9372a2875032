using System.Collections.ObjectModel;
using System.Text;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Inference.Constraints;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Inference.Tests.Constraints;

/// <summary>Replies of a backend whose logits are random: only the format gives them a form.</summary>
public class ConstrainedGenerationTests
{
    /// <summary>Ends are likelier than by chance; without, strings and arrays that have no bound are long.</summary>
    private static readonly Dictionary<int, double> s_endsSoon = new()
    {
        ['"'] = 5,
        ['}'] = 5,
        [']'] = 5,
        [','] = 2,
        [Pieces.IdOf("\"}")] = 4,
        [Pieces.IdOf("\",")] = 4,
        [Pieces.IdOf("\",\"")] = 4,
        [Pieces.IdOf("}}")] = 4,
        [Pieces.IdOf("\":")] = 4,
        [' '] = -2,
        ['\n'] = -2,
    };

    public static TheoryData<string> Names() => Schemas.Names();

    [Theory]
    [MemberData(nameof(Names))]
    public void Generate_RandomModel_DocumentsParseAndFitTheSchema(string name)
    {
        using var backend = new TraceBackend(80, 16, 8, 1024, prefillEqualsDecode: true, Pieces.All.Count);
        using var generator = new Generator(backend, Pieces.All);
        var stopped = 0;
        HashSet<string> texts = [];
        for (ulong seed = 0; seed < 30; seed++)
        {
            var reply = generator.Complete([1, 2, 3], Options(name, seed));
            if (reply.Finish != FinishReason.Stop)
            {
                // Cut, but the beginning of a document.
                Assert.Equal(FinishReason.Length, reply.Finish);
                Assert.NotNull(JsonState.Start(ResponseFormat.JsonSchema(Schemas.Text(name)).Grammar).Take(Pieces.BytesOf(reply.Ids)));
                continue;
            }

            stopped++;
            Assert.Equal(Pieces.End, reply.Ids[^1]);
            Assert.Equal(Pieces.BytesOf(reply.Ids), Encoding.UTF8.GetBytes(reply.Text));
            using var document = JsonDocument.Parse(reply.Text);
            Assert.True(Schemas.Conforms(document.RootElement, Schemas.Text(name)), reply.Text);
            texts.Add(reply.Text);
        }

        Assert.True(stopped >= 20 && texts.Count >= 5, $"{stopped} ended, {texts.Count} different");
    }

    [Fact]
    public void Generate_JsonObject_AnObject()
    {
        using var backend = new TraceBackend(80, 16, 8, 1024, prefillEqualsDecode: true, Pieces.All.Count);
        using var generator = new Generator(backend, Pieces.All);
        var reply = generator.Complete([1], Options("object", 3) with { Format = ResponseFormat.JsonObject });
        Assert.Equal(FinishReason.Stop, reply.Finish);
        using var document = JsonDocument.Parse(reply.Text);
        Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
    }

    [Fact]
    public void Generate_MaxTokens_CutsWithLength()
    {
        using var backend = new TraceBackend(80, 16, 8, 1024, prefillEqualsDecode: true, Pieces.All.Count);
        using var generator = new Generator(backend, Pieces.All);
        var reply = generator.Complete([1], Options("person", 3) with { MaxTokens = 4 });
        Assert.Equal((FinishReason.Length, 4), (reply.Finish, reply.Ids.Count));
        Assert.StartsWith("{", reply.Text.TrimStart(), StringComparison.Ordinal);
    }

    [Fact]
    public void Generate_LogProbabilities_AreTheUnmaskedModels()
    {
        using var backend = new TraceBackend(80, 16, 8, 1024, prefillEqualsDecode: true, Pieces.All.Count);
        using var generator = new Generator(backend, Pieces.All);
        var options = Options("person", 5) with { TopLogProbabilities = 3 };
        List<int> ids = [1];
        foreach (var token in generator.Generate([1], options))
        {
            using var sequence = backend.CreateSequence();
            var logits = backend.Prefill(sequence, ids.ToArray()).ToArray();
            var sum = Math.Log(logits.Sum(l => Math.Exp(l)));
            Assert.Equal(logits[token.Id] - sum, token.LogProbability, 1e-4);
            // The most probable tokens of all, of which the format allows few.
            Assert.Equal(Array.IndexOf(logits, logits.Max()), token.Top![0].Id);
            ids.Add(token.Id);
        }

        Assert.True(ids.Count > 5);
    }

    [Fact]
    public void Emitted_ReplyGoesOnElsewhere_SameTokens()
    {
        var options = Options("person", 8);
        using var one = Engine(80, Plenty);
        var request = new InferenceRequest { Prompt = [5, 6, 7], Options = options, Stream = 4 };
        var whole = Run(one, [request])[0];
        Assert.True(whole.Length > 8 && whole[^1].Finish == FinishReason.Stop);
        for (var after = 1; after < whole.Length; after++)
        {
            // Other token sources, so nothing of the first engine's cached masks.
            using var other = new InferenceEngine(Backend(80), new Pieces(), Plenty, new ManualTime(), ownThread: false);
            Assert.Equal(whole.Skip(after), Run(other, [request with { Emitted = [.. whole.Take(after).Select(t => t.Id)] }])[0]);
        }
    }

    [Fact]
    public void Engine_ConstrainedAndOtherRequestsTogether_EachAsAlone()
    {
        string[] names = ["person", "list", "prefixes", "choices", "object", "additional"];
        InferenceRequest[] requests =
        [
            .. Enumerable.Range(0, 24).Select(i => new InferenceRequest
            {
                Prompt = [.. Enumerable.Range(0, 1 + i % 11).Select(t => 7 * t % 200)],
                Stream = (ulong)i,
                Options = i % 3 == 2
                    ? new GenerationOptions { MaxTokens = 20 + i, Seed = 9, StopTokens = [Pieces.End] }
                    : Options(names[i % names.Length], (ulong)i) with { MaxTokens = 60, Temperature = i % 4 == 0 ? 0 : 1, RepetitionPenalty = 1.1, TopP = 0.95 },
            }),
        ];
        GeneratedToken[][] alone = [.. requests.Select(request =>
        {
            using var engine = Engine(80, Plenty);
            return Run(engine, [request])[0];
        })];
        Assert.Contains(alone, tokens => tokens[^1].Finish == FinishReason.Stop);
        long preemptions = 0;
        foreach (var (blocks, options) in new[] { (400, Plenty), (24, Plenty), (24, Plenty with { PrefixSharing = false }), (400, new SchedulerOptions { MaxRunning = 3, TokenBudget = 11 }) })
        {
            using var engine = Engine(blocks, options);
            var replies = Run(engine, requests);
            for (var i = 0; i < requests.Length; i++)
                Assert.True(alone[i].SequenceEqual(replies[i]), $"request {i} has another reply with {blocks} blocks");
            preemptions += engine.Snapshot().Preemptions;
        }

        Assert.True(preemptions > 5, $"{preemptions} preemptions");
    }

    [Fact]
    public void Choices_EachHasTheFormat()
    {
        using var engine = Engine(400, Plenty);
        var replies = engine.Submit(new InferenceRequest { Prompt = [1], Options = Options("prefixes", 1) with { Choices = 6 } });
        while (engine.Step())
        {
        }

        foreach (var reply in replies)
        {
            using var document = JsonDocument.Parse(string.Concat(Tokens(reply).Select(t => t.Text)));
            Assert.True(Schemas.Conforms(document.RootElement, Schemas.Text("prefixes")));
        }
    }

    [Fact]
    public void Allowed_CompleteDocument_OnlyStopTokens()
    {
        var constraint = new FormatConstraint(ResponseFormat.JsonSchema("""{"enum":["a",1,12]}"""), Pieces.All, [Pieces.End, Pieces.IdOf("the")]);
        Assert.Equal(['"', '1', Pieces.IdOf("12")], Allowed(constraint).Where(id => id is not (' ' or '\n') && Pieces.All.Bytes(id)[0] > ' '));
        Assert.DoesNotContain(Pieces.End, Allowed(constraint));
        Assert.False(constraint.Take(Pieces.OtherSpecial));
        Assert.False(constraint.Take('a'));
        Assert.True(constraint.Take('1'));
        // Complete, and may go on.
        Assert.Equal(['2', Pieces.End, Pieces.IdOf("the")], Allowed(constraint));
        Assert.True(constraint.Take('2'));
        Assert.Equal([Pieces.End, Pieces.IdOf("the")], Allowed(constraint));
    }

    [Fact]
    public void Allowed_StopTokenWithText_NotPartOfTheDocument()
    {
        var constraint = new FormatConstraint(ResponseFormat.JsonSchema("""{"type":"string"}"""), Pieces.All, [Pieces.IdOf("the")]);
        Assert.True(constraint.Take('"'));
        Assert.DoesNotContain(Pieces.IdOf("the"), Allowed(constraint));
        Assert.Contains(Pieces.IdOf(" the"), Allowed(constraint));
    }

    [Fact]
    public void Masks_MoreThanAreKept_SameAnswers()
    {
        var trie = new TokenTrie(Pieces.All);
        var masks = new FormatMasks(trie, ResponseFormat.JsonSchema("""{"type":"array","items":{"const":1},"maxItems":2000}""").Grammar);
        var state = masks.Start.Take("["u8)!;
        for (var i = 0; i < FormatMasks.MaxMasks + 10; i++)
        {
            Assert.Equal(trie.Allowed(state), masks.Of(state));
            Assert.Equal(trie.Allowed(state), masks.Of(state));
            state = state.Take(i == 0 ? "1"u8 : ",1"u8)!;
        }

        Assert.Equal(10, masks.Count);
    }

    [Fact]
    public void Masks_SameStateAgain_ComputedOnce()
    {
        var masks = new FormatMasks(new TokenTrie(Pieces.All), ResponseFormat.JsonSchema("""{"type":"array","items":{"type":"string"}}""").Grammar);
        foreach (var text in (string[])["[\"", "[\"abc", "[\"abc\",\"", "[\"é\", \"x", "[\"a\",\n    \"b\",\""])
            masks.Of(masks.Start.Take(Encoding.UTF8.GetBytes(text))!);
        Assert.Equal(1, masks.Count);
    }

    [Theory]
    [InlineData(0, 100)]
    [InlineData(40, 100)]
    [InlineData(40, 45)]
    [InlineData(3, 3)]
    [InlineData(60, int.MaxValue)]
    public void Masks_StringFarFromItsBounds_SharedWithoutAChange(int min, int max)
    {
        var trie = new TokenTrie(Pieces.All);
        var schema = max == int.MaxValue ? $$"""{"type":"string","minLength":{{min}}}""" : $$"""{"type":"string","minLength":{{min}},"maxLength":{{max}}}""";
        var masks = new FormatMasks(trie, ResponseFormat.JsonSchema(schema).Grammar);
        var state = masks.Start.Take("\""u8)!;
        for (var i = 0; i <= Math.Min(max, 110); i++)
        {
            Assert.Equal(trie.Allowed(state), masks.Of(state));
            if (i < max)
            {
                Assert.Equal(trie.Allowed(state.Take([0xE6])!), masks.Of(state.Take([0xE6])!));
                state = state.Take(i % 2 == 0 ? "a"u8 : "é"u8)!;
            }
        }

        // Each bound is felt from as far as the longest token reaches.
        Assert.True(masks.Count <= 4 * (trie.LongestToken + 2), $"{masks.Count} masks");
    }

    [Fact]
    public void Masks_EqualFormats_Shared()
    {
        var tokens = new Pieces();
        for (var i = 0; i < 3; i++)
        {
            var constraint = new FormatConstraint(ResponseFormat.JsonSchema("""{"const":1}"""), tokens, [Pieces.End]);
            constraint.Allowed();
            Assert.True(constraint.Take('1'));
            constraint.Allowed();
        }

        Assert.Equal(2, ConstrainedVocabulary.Of(tokens).Masks(ResponseFormat.JsonSchema("""{"const":1}""")).Count);
        for (var i = 0; i < ConstrainedVocabulary.MaxFormats; i++)
            ConstrainedVocabulary.Of(tokens).Masks(ResponseFormat.JsonSchema($$"""{"const":{{i + 2}}}"""));
        Assert.Equal(0, ConstrainedVocabulary.Of(tokens).Masks(ResponseFormat.JsonSchema("""{"const":1}""")).Count);
    }

    [Fact]
    public void Constraint_VocabularyLacksAByte_SaysWhich()
    {
        var options = Options("person", 1);
        Assert.Equal("response_format needs a token for each byte of JSON text; the vocabulary has none for 0x7B that is not a stop token.",
            Assert.Throws<UserErrorException>(() => new GenerationState([1], options, new Pieces(without: '{'), 64)).What);
        Assert.Equal("response_format needs a token for each byte of JSON text; the vocabulary has none for 0x78 that is not a stop token.",
            Assert.Throws<UserErrorException>(() => new GenerationState([1], options with { StopTokens = ['x'] }, Pieces.All, 64)).What);
        Assert.Throws<UserErrorException>(() => new GenerationState([1], options with { StopTokens = [3], LogitBias = ReadOnlyDictionary<int, double>.Empty }, new Words(80), 64));
    }

    [Fact]
    public void Emitted_OutsideTheFormat_SaysWhere() =>
        Assert.Equal("The reply so far leaves response_format with its token 2, the id 123.",
            Assert.Throws<UserErrorException>(() => new GenerationState([1], Options("person", 1), Pieces.All, 64, emitted: ['{', '{'])).What);

    private static SchedulerOptions Plenty => new() { MaxRunning = 32, TokenBudget = 512 };

    private static GenerationOptions Options(string schema, ulong seed) => new()
    {
        MaxTokens = 400,
        Seed = seed,
        LogitBias = schema is "prefixes" or "choices" or "tree" or "unicode" or "pairs" ? ReadOnlyDictionary<int, double>.Empty : s_endsSoon,
        StopTokens = [Pieces.End],
        Format = ResponseFormat.JsonSchema(Schemas.Text(schema)),
    };

    private static List<int> Allowed(FormatConstraint constraint)
    {
        var mask = constraint.Allowed().ToArray();
        return [.. Enumerable.Range(0, Pieces.All.Count).Where(id => (mask[id >> 6] >> id & 1) == 1)];
    }

    private static TraceBackend Backend(int blocks) => new(blocks, 4, 8, 96, prefillEqualsDecode: false, Pieces.All.Count);

    private static InferenceEngine Engine(int blocks, SchedulerOptions options) => new(Backend(blocks), Pieces.All, options, new ManualTime(), ownThread: false);

    private static GeneratedToken[][] Run(InferenceEngine engine, InferenceRequest[] requests)
    {
        EngineReply[] replies = [.. requests.Select(request => engine.Submit(request)[0])];
        while (engine.Step())
        {
        }

        return [.. replies.Select(Tokens)];
    }

    private static GeneratedToken[] Tokens(EngineReply reply)
    {
        List<GeneratedToken> tokens = [];
        while (reply.Tokens.TryRead(out var token))
            tokens.Add(token);
        return [.. tokens];
    }
}
