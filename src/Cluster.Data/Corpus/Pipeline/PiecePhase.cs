// Enters: the shards. Leaves: how often each piece occurs, shard by shard, and the vocabulary learnt from all of them together.
// Does not know: how pieces are cut, how merges are learnt.

using Cluster.Core.Errors;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Tokens;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// The phases that make a corpus' own tokenizer: pieces are counted by partition, the counts add up to one list, and byte-pair merges are
/// learnt from it in one unit. Counts do not depend on the size of the vocabulary and stay with the corpus, so that another size costs
/// no second reading.
/// </summary>
internal sealed class PiecePhase(CorpusFolder folder, CorpusResources resources)
{
    public const string CountName = "pieces", LearnName = "tokenizer";

    private const long LeastToLearn = 1 << 22;

    /// <summary>Counts the pieces of a shard, each document as often as it stands there.</summary>
    public UnitResult Count(int partition, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder.Scratch);
        using var counter = new PieceCounter(Math.Max(PieceCounter.SmallestMemory, resources.MemoryBytes / resources.Workers), folder.Scratch);
        var documents = 0;
        foreach (var document in CorpusShard.Read(folder.Shard(partition)))
        {
            cancellation.ThrowIfCancellationRequested();
            counter.Add(document.Text);
            documents++;
        }

        counter.Save(folder.Pieces(partition), cancellation);
        return new UnitResult { Records = documents };
    }

    /// <summary>Learns from the counts of all partitions and writes the tokenizer.</summary>
    public TokenizerSummary Learn(int vocabulary, int partitions, string path, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder.Scratch);
        var options = new BytePairTrainerOptions
        {
            VocabularySize = vocabulary,
            Workers = resources.Workers,
            MemoryBytes = Math.Max(LeastToLearn, resources.MemoryBytes),
            ScratchFolder = folder.Scratch,
        };
        var tokenizer = new BytePairTokenizer(
            BytePairTrainer.TrainFromCounts([.. Enumerable.Range(0, partitions).Select(folder.Pieces)], options, cancellation));
        TokenizerFile.Save(tokenizer, path);
        return new TokenizerSummary(vocabulary, tokenizer.VocabularySize, TokenizerFile.Sha256(tokenizer));
    }
}

/// <summary>The tokenizer of a corpus.</summary>
/// <param name="Asked">Ids that were asked for.</param>
/// <param name="Vocabulary">Ids that it has, special tokens included; fewer where the text has no more pairs that repeat.</param>
/// <param name="Sha256">Of its file.</param>
public sealed record TokenizerSummary(int Asked, int Vocabulary, string Sha256);
