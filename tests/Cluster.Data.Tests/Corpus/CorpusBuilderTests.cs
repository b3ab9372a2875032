using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Dialogues;

namespace Cluster.Data.Tests.Corpus;

public class CorpusBuilderTests
{
    [Fact]
    public void Build_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        using var folder = new TempFolder();
        Fill(folder, 60);

        var reports = new[] { 1, 2, 5 }.Select(workers => Build(folder, new CorpusOptions { Workers = workers }).Report).ToList();

        Assert.Equal(reports[0].ToJson(), reports[1].ToJson());
        Assert.Equal(reports[0].ToJson(), reports[2].ToJson());
    }

    [Fact]
    public void Build_OtherSeedOrText_GivesOtherHashes()
    {
        using var folder = new TempFolder();
        Fill(folder, 60);
        var report = Build(folder, new CorpusOptions()).Report;

        var reseeded = Build(folder, new CorpusOptions { Seed = 1 }).Report;
        folder.Write("notes/7.txt", Note(7).Replace("number 7", "number 8", StringComparison.Ordinal));
        var changed = Build(folder, new CorpusOptions()).Report;

        Assert.NotEqual(report.ContentSha256, reseeded.ContentSha256);
        Assert.NotEqual(report.DialoguesSha256, reseeded.DialoguesSha256);
        Assert.NotEqual(report.ContentSha256, changed.ContentSha256);
    }

    [Fact]
    public void Build_ReferenceAndText_KeepsHeldOutGroupsApart()
    {
        using var folder = new TempFolder();
        Fill(folder, 80);

        var corpus = Build(folder, new CorpusOptions());

        Assert.Equal(CorpusSplit.ByGroup, corpus.Report.Split.Method);
        IReadOnlyList<Document>[] documents = [corpus.Train, corpus.Validation, corpus.Test];
        IReadOnlyList<Conversation>[] dialogues = [corpus.Dialogues.Train, corpus.Dialogues.Validation, corpus.Dialogues.Test];
        for (var part = 0; part < 3; part++)
        {
            var groups = documents[part].Select(document => document.Group).ToHashSet();
            Assert.NotEmpty(dialogues[part]);
            Assert.All(dialogues[part], conversation =>
            {
                Assert.Equal((SplitPart)part, conversation.Part);
                Assert.True(groups.Contains(conversation.Group) || conversation.Group == "small-talk", conversation.Group);
            });
        }

        Assert.Contains(corpus.Dialogues.Train, conversation => conversation.Kind == ConversationKind.Parameter);
        Assert.Contains(corpus.Dialogues.Train, conversation => conversation.Kind == ConversationKind.Continuation);
        Assert.All(corpus.TrainBest, best => Assert.Contains(best, corpus.Train));
        Assert.Equal((corpus.Train.Count + 9) / 10, corpus.TrainBest.Count);
    }

    [Fact]
    public void Build_OneLongText_WarnsAndMakesDialoguesOfEachPart()
    {
        using var folder = new TempFolder();
        folder.Write("play.txt", string.Join("\n\n", Enumerable.Range(0, 400).Select(i => $"Speaker {i % 7}:\nThis is speech number {i}, and it says a thing or two.")));

        var corpus = Build(folder, new CorpusOptions());

        Assert.Equal(CorpusSplit.Tail, corpus.Report.Split.Method);
        Assert.Contains(corpus.Report.Warnings, warning => warning.Contains("the last 10 % of its text is held out", StringComparison.Ordinal));
        Assert.NotEmpty(corpus.Dialogues.Test);
        Assert.All(corpus.Dialogues.Test, conversation => Assert.Contains(conversation.Answer, corpus.Test[0].Text, StringComparison.Ordinal));
    }

    [Fact]
    public void Build_Report_IsJsonWithEveryStage()
    {
        using var folder = new TempFolder();
        Fill(folder, 60);
        folder.Write("notes/copy.txt", Note(3));

        var report = Build(folder, new CorpusOptions { MaximumBytes = 12_000 }).Report;
        using var json = JsonDocument.Parse(report.ToJson());

        Assert.Equal(["records", "members", "assembly", "curation", "budget"],
            json.RootElement.GetProperty("stages").EnumerateArray().Select(stage => stage.GetProperty("name").GetString()));
        Assert.Equal(1, report.Stages[3].Dropped[Curator.Duplicate]);
        Assert.All(report.Stages, stage => Assert.Equal(stage.In - stage.Out, stage.Dropped.Values.Sum()));
        Assert.InRange(report.BytesOut, 10_000, 12_000);
        Assert.Equal(64, json.RootElement.GetProperty("content_sha256").GetString()!.Length);
        Assert.Equal(report.TestOverlap.Share, json.RootElement.GetProperty("test_overlap").GetProperty("share").GetDouble());
    }

    [Fact]
    public void Build_OverlapLimit_RemovesHeldOutDocumentsOrSaysSo()
    {
        using var folder = new TempFolder();
        // Every note repeats one long sentence, so every held-out document overlaps.
        for (var i = 0; i < 60; i++)
            folder.Write($"{i:00}.txt", $"Note {i}: it is well known that the quick brown fox jumps over the lazy dog every single morning before breakfast is served at nine.");

        var error = Assert.Throws<UserErrorException>(() => Build(folder, new CorpusOptions { MaximumHeldOutOverlap = 0.1 }));
        var kept = Build(folder, new CorpusOptions { MaximumHeldOutOverlap = 1 });

        Assert.StartsWith("maximum_held_out_overlap is 0.1, which removes all", error.What, StringComparison.Ordinal);
        Assert.Equal(0, kept.Report.TestOverlap.DocumentsRemoved);
        Assert.True(kept.Report.TestOverlap.Share > 0.5);
    }

    [Fact]
    public void Build_RealCollections_GivesSaneDialogues()
    {
        var corpus = new CorpusBuilder(new CorpusOptions { Workers = 2, TrainFraction = 0.8, ValidationFraction = 0.1, TestFraction = 0.1 })
            .Build(new DotnetReferenceSource(assemblies: ["System.Collections", "System.Collections.Concurrent", "System.Linq"]));

        var all = corpus.Dialogues.Train.Concat(corpus.Dialogues.Validation).Concat(corpus.Dialogues.Test).ToList();
        Assert.True(all.Count > 500, $"{all.Count} conversations");
        Assert.All(all.Where(conversation => conversation.Kind != ConversationKind.SmallTalk).SelectMany(conversation => conversation.Messages), message =>
        {
            Assert.DoesNotContain('\n', message.Content);
            Assert.DoesNotContain("<see", message.Content, StringComparison.Ordinal);
            Assert.DoesNotContain("{0}", message.Content, StringComparison.Ordinal);
            if (message.Role == ChatRole.Assistant)
                Assert.InRange(message.Content.Length, 20, 400);
        });
        Assert.Contains(all, conversation => conversation.Answer.StartsWith("It adds an object to the end of the List<T>.", StringComparison.Ordinal));
    }

    [Fact]
    public void Build_Cancelled_Ends()
    {
        using var folder = new TempFolder();
        Fill(folder, 60);

        Assert.ThrowsAny<OperationCanceledException>(() => new CorpusBuilder(new CorpusOptions()).Build(
            CorpusBuilder.Source(folder.Path), cancellation: new CancellationToken(canceled: true)));
    }

    private static CuratedCorpus Build(TempFolder folder, CorpusOptions options) => new CorpusBuilder(options).Build(CorpusBuilder.Source(folder.Path));

    private static void Fill(TempFolder folder, int types)
    {
        folder.Write("docs.xml", Fixtures.ManyTypes(types)).Write("more/docs.xml", Fixtures.ManyTypes(types / 2, "Gadget"));
        for (var i = 0; i < 40; i++)
            folder.Write($"notes/{i}.txt", Note(i));
    }

    private static string Note(int i) =>
        $"This is note number {i} about the shop. It was written on day {i * 3} of the year.\n\nThe owner counted {i * 11} boxes. He sold {i * 5} of them before noon.";
}
