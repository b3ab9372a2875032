// Text to shards. Enters: a source and a recipe. Leaves: tokenizer.json, datasets, corpus.json, held_out.json in the run folder.
// Does not know: grains, training.
using System.Globalization;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Dialogues;
using Cluster.Data.Shards;
using Cluster.Data.Tokens;

namespace Cluster.Silo.Stages;

/// <summary>The stages before training, one after another.</summary>
/// <param name="folder">The run's.</param>
/// <param name="recipe">Valid; need not be resolved.</param>
/// <param name="observer">Told of progress.</param>
/// <param name="instruments">Shown what becomes of the text, or null.</param>
internal sealed class DataStages(RunFolder folder, Recipe recipe, IRunObserver observer, DataInstruments? instruments = null)
{
    /// <summary>Conversations of the test part that are kept to ask the trained model.</summary>
    private const int HeldOutKept = 200;

    /// <summary>Reads, curates, splits; writes the report and the held-out questions.</summary>
    public CuratedCorpus Curate(IDocumentSource source, CancellationToken cancellation)
    {
        var corpus = new CorpusBuilder(OptionsOf(recipe)).Build(source, new Relay(p =>
        {
            observer.StageProgress(StageNames.Corpus, p.Fraction, p.Stage);
            instruments?.Progress(folder.Name, StageNames.Corpus, p.Fraction);
        }), cancellation);
        foreach (var step in corpus.Report.Stages)
            instruments?.Curated(folder.Name, step);
        foreach (var warning in corpus.Report.Warnings)
            observer.Warned(warning);
        AtomicWrite.AllText(folder.CorpusReport, corpus.Report.ToJson() + "\n");
        var questions = HeldOutQuestions.Select(corpus.Dialogues, HeldOutKept, recipe.Seed);
        AtomicWrite.AllText(folder.HeldOut, RunJson.Document(questions.Select(q => new HeldOutQuestion(q.Id, q.Question, q.Answer))) + "\n");
        return corpus;
    }

    /// <summary>What a run's recipe says about its corpus: the same texts are held out wherever this is asked.</summary>
    public static CorpusOptions OptionsOf(Recipe recipe) => new()
    {
        TrainFraction = 1 - recipe.Corpus.ValidationFraction - recipe.Corpus.TestFraction,
        ValidationFraction = recipe.Corpus.ValidationFraction,
        TestFraction = recipe.Corpus.TestFraction,
        MaximumBytes = recipe.Corpus.MaxBytes,
        Seed = recipe.Seed,
    };

    /// <summary>Takes the vocabulary that came with the corpus, or learns one from the training documents.</summary>
    /// <param name="corpus">Of <see cref="Curate"/>.</param>
    /// <param name="ready">The corpus' own; null to learn one.</param>
    /// <param name="cancellation">Ends it early.</param>
    public ITokenizer Tokenize(CuratedCorpus corpus, ITokenizer? ready, CancellationToken cancellation)
    {
        if (ready is not null)
        {
            TokenizerFile.Save(ready, folder.Tokenizer);
            return ready;
        }

        var texts = corpus.Train.Select(d => d.Text);
        ITokenizer tokenizer = recipe.Tokenizer.Kind switch
        {
            TokenizerKind.Bpe => new BytePairTokenizer(BytePairTrainer.Train(texts, new BytePairTrainerOptions { VocabularySize = recipe.Tokenizer.Vocabulary }, cancellation)),
            TokenizerKind.Bytes => BytePairTokenizer.OfBytes(),
            _ => CharacterTokenizer.Train(texts),
        };
        if (recipe.Tokenizer.Kind == TokenizerKind.Bpe && tokenizer.VocabularySize < recipe.Tokenizer.Vocabulary)
            observer.Warned($"The text gives only {tokenizer.VocabularySize} ids of the {recipe.Tokenizer.Vocabulary} asked for.");
        TokenizerFile.Save(tokenizer, folder.Tokenizer);
        return tokenizer;
    }

    /// <summary>Writes the datasets.</summary>
    /// <returns>Tokens of a dialogue's row (0 without fine-tuning), and the figures of the stage.</returns>
    public (int RowLength, IReadOnlyDictionary<string, string> Figures) WriteShards(CuratedCorpus corpus, ITokenizer tokenizer, CancellationToken cancellation)
    {
        var sha256 = TokenizerFile.Sha256(tokenizer);
        var figures = new Dictionary<string, string>(StringComparer.Ordinal);
        // One text of many lines, as the character models of the literature read it: no borders to learn.
        var bordered = recipe.Tokenizer.Kind == TokenizerKind.Bpe || corpus.Train.Count > 1;
        foreach (var (dataset, documents, share) in ((string, IReadOnlyList<Document>, double)[])[
            (Datasets.Validation, corpus.Validation, 0), (Datasets.TrainBest, corpus.TrainBest, 0.1), (Datasets.Train, corpus.Train, 0.2)])
        {
            observer.StageProgress(StageNames.Shards, share, dataset);
            instruments?.Progress(folder.Name, StageNames.Shards, share);
            var tokens = WriteStream(dataset, documents, tokenizer, sha256, bordered, cancellation);
            figures[$"{dataset}_tokens"] = tokens.ToString("N0", CultureInfo.InvariantCulture);
        }

        if (recipe.FineTuning.Steps == 0)
            return (0, figures);
        observer.StageProgress(StageNames.Shards, 0.7, Datasets.Dialogues);
        instruments?.Progress(folder.Name, StageNames.Shards, 0.7);
        var template = new ChatTemplate(tokenizer);
        var train = Render(template, corpus.Dialogues.Train, cancellation);
        var validation = Render(template, corpus.Dialogues.Validation, cancellation);
        if (train.Length == 0 || validation.Length == 0)
        {
            throw new UserErrorException($"The corpus gives {train.Length} training and {validation.Length} validation conversations.",
                "Set fine_tuning.steps=0 to leave that stage out, or give text with headings, questions or sentences.");
        }

        // A row holds one id more than the model sees; the model's context ends at the longest phase of pre-training or the row.
        var rowLength = recipe.FineTuning.RowLength > 0
            ? recipe.FineTuning.RowLength
            : (SequenceLength.AtPercentile([.. train.Select(r => r.Ids.Length - 1)], recipe.FineTuning.RowPercentile) + 15) / 16 * 16;
        WriteRows(Datasets.Dialogues, train, rowLength, tokenizer, sha256);
        WriteRows(Datasets.DialoguesValidation, validation, rowLength, tokenizer, sha256);
        figures["dialogue_rows"] = train.Length.ToString("N0", CultureInfo.InvariantCulture);
        figures["row_tokens"] = rowLength.ToString(CultureInfo.InvariantCulture);
        return (rowLength, figures);
    }

    private long WriteStream(string dataset, IReadOnlyList<Document> documents, ITokenizer tokenizer, string sha256, bool bordered, CancellationToken cancellation)
    {
        using var writer = new ShardWriter(folder.Dataset(dataset), ShardLayout.Stream, tokenizer.VocabularySize, sha256);
        instruments?.Wrote(folder.Name, dataset, 0);
        // Documents are encoded at once on all cores and written in order.
        foreach (var ids in documents.AsParallel().AsOrdered().WithCancellation(cancellation).Select(document => Encode(document.Text)))
        {
            writer.Append(ids);
            instruments?.Wrote(folder.Name, dataset, ids.Length);
        }

        return writer.Complete().Tokens;

        int[] Encode(string text)
        {
            var ids = new List<int>();
            if (bordered)
                ids.Add(tokenizer.Special.BeginOfText);
            tokenizer.Encode(text, ids);
            if (bordered)
                ids.Add(tokenizer.Special.EndOfText);
            return [.. ids];
        }
    }

    private void WriteRows(string dataset, RenderedChat[] chats, int rowLength, ITokenizer tokenizer, string sha256)
    {
        using var writer = new ShardWriter(folder.Dataset(dataset), ShardLayout.Rows, tokenizer.VocabularySize, sha256, rowLength + 1);
        var rows = new FixedRows(rowLength + 1, tokenizer.Special.Pad);
        foreach (var chat in chats)
        {
            var row = rows.Fit(chat.Ids, chat.Mask);
            // A question so long that its answer is cut off teaches nothing.
            if (row.Mask.AsSpan(1).Contains((byte)1))
                writer.AppendRow(row.Ids, row.Mask);
        }

        var tokens = writer.Complete().Tokens;
        instruments?.Wrote(folder.Name, dataset, tokens);
    }

    private static RenderedChat[] Render(ChatTemplate template, IReadOnlyList<Conversation> conversations, CancellationToken cancellation) =>
        [.. conversations.AsParallel().AsOrdered().WithCancellation(cancellation).Select(c => template.Render(c.Messages))];

    /// <summary>Reports at once; <see cref="Progress{T}"/> would post to a pool and reorder.</summary>
    private sealed class Relay(Action<CorpusProgress> report) : IProgress<CorpusProgress>
    {
        public void Report(CorpusProgress value) => report(value);
    }
}

/// <summary>A line of held_out.json.</summary>
/// <param name="Id">Of the member or document.</param>
/// <param name="Question">What to ask.</param>
/// <param name="Answer">What the documentation says.</param>
public sealed record HeldOutQuestion(string Id, string Question, string Answer);
