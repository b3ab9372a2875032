using System.Text;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// The last phase of a partition: decisions on copies and the mix are applied, what stays is written as the partition's shard, and what
/// became of each document is written beside it. With a mix it runs twice, the first time only to count.
/// </summary>
internal sealed class WritePhase(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, StageTimes? times)
{
    public const string Name = "write", CountName = "count";

    /// <summary>Stage names of the rows.</summary>
    public const string Duplicates = "duplicates", Mixing = "mix";

    /// <summary>Writes the shard and the provenance.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="mix">How often a document is to stand in the corpus; null for once.</param>
    /// <param name="cancellation">Ends it early.</param>
    public UnitResult Write(int partition, MixPlan? mix, CancellationToken cancellation)
    {
        var statistics = Declared(mix is not null);
        var got = new MixTally();
        using var shard = new RecordWriter(folder.Shard(partition));
        using var provenance = new RecordWriter(folder.Provenance(partition));
        using var kept = recipe.Duplicates.KeepSignatures
            ? DocumentSignatures.Create(folder.KeptSignatureFolder, partition, recipe.Duplicates, times) : null;
        using var vectors = recipe.Duplicates is { KeepSignatures: true, Embeddings: not null }
            ? new KeptVectors(folder, partition, recipe.Duplicates, plan)
            : null;
        using var rows = ProvenanceFile.Read(folder.Rows(partition)).GetEnumerator();
        var index = -1;
        foreach (var (read, document, row) in Decided(partition, statistics, cancellation))
        {
            index++;
            while (rows.MoveNext() && !rows.Current.Kept)
                ProvenanceFile.Add(provenance, rows.Current);
            var judged = rows.Current with { UnitsRemoved = row.UnitsRemoved };
            if (row.Rule is not null)
            {
                ProvenanceFile.Add(provenance, judged with
                {
                    Kept = false,
                    Stage = Duplicates,
                    Rule = row.Rule,
                    Value = row.Value,
                    Limit = row.Limit,
                    CopyOf = row.CopyOf,
                    Beginning = ReadPhase.Beginning(read.Text),
                });
                continue;
            }

            var bytes = Encoding.UTF8.GetByteCount(document.Text);
            var times = mix?.Copies(document) ?? 1;
            if (mix is not null)
            {
                got.Add(recipe.Mix!.DomainOf(document), document, times);
                var counts = statistics.Stage(Mixing);
                counts.In++;
                counts.BytesIn += bytes;
                if (times == 0)
                    counts.Drop("down_sampled");
                else
                    counts.Out++;
                counts.BytesOut += (long)bytes * times;
            }

            if (times == 0)
            {
                ProvenanceFile.Add(provenance, judged with { Kept = false, Stage = Mixing, Rule = "down_sampled", Beginning = ReadPhase.Beginning(document.Text) });
                continue;
            }

            statistics.Stays(document, bytes, times);
            kept?.Add(document);
            vectors?.Add(index, document);
            foreach (var copy in mix?.Apply(document) ?? [document])
                CorpusShard.Add(shard, copy);
            ProvenanceFile.Add(provenance, judged with { Copies = times == 1 ? null : times });
        }

        while (rows.MoveNext())
            ProvenanceFile.Add(provenance, rows.Current);
        kept?.Complete();
        vectors?.Complete();
        provenance.Complete();
        var (records, length) = (shard.Records, shard.Bytes);
        return new UnitResult { Statistics = statistics, Records = records, Bytes = length, Sha256 = shard.Complete(), Domains = mix is null ? null : got.Sizes };
    }

    /// <summary>What would be written without a mix: the figures that the mix is made of.</summary>
    public UnitResult Count(int partition, CancellationToken cancellation)
    {
        var mix = recipe.Mix!;
        var tally = new MixTally();
        foreach (var (_, document, row) in Decided(partition, new CorpusStatistics(), cancellation))
        {
            if (row.Rule is null)
                tally.Add(mix.DomainOf(document), document);
        }

        return new UnitResult { Domains = tally.Sizes };
    }

    private CorpusStatistics Declared(bool mixes)
    {
        var statistics = new CorpusStatistics();
        if (recipe.Duplicates.ComparesDocuments || recipe.Duplicates.Units is not null)
            statistics.Stage(Duplicates);
        if (mixes)
            statistics.Stage(Mixing);
        return statistics;
    }

    /// <summary>The documents of the first phase in order, each with what the decisions leave of it.</summary>
    private IEnumerable<(Document Read, Document Document, ProvenanceRow Row)> Decided(int partition, CorpusStatistics statistics, CancellationToken cancellation)
    {
        var duplicates = recipe.Duplicates;
        using var decisions = new DocumentDecisions(folder, partition, duplicates);
        using var units = duplicates.Units is null ? null : new DecisionReader(DecisionReader.PathOf(folder.Decisions(UnitHashPhase.Name), partition));
        var counts = duplicates.ComparesDocuments || units is not null ? statistics.Stage(Duplicates) : null;
        var index = 0;
        foreach (var document in DocumentFile.Read(folder.Documents(ReadPhase.Name, partition)))
        {
            cancellation.ThrowIfCancellationRequested();
            var row = Judge(document, index++, out var left);
            if (counts is not null)
            {
                counts.In++;
                counts.BytesIn += Encoding.UTF8.GetByteCount(document.Text);
                if (row.Rule is null)
                {
                    counts.Out++;
                    counts.BytesOut += Encoding.UTF8.GetByteCount(left.Text);
                }
                else
                {
                    counts.Drop(row.Rule);
                }
            }

            yield return (document, left, row);
        }

        ProvenanceRow Judge(Document document, int index, out Document left)
        {
            left = document;
            var none = new ProvenanceRow(document.Id, true, 0);
            if (decisions.Of(index) is var (rule, decision))
            {
                var key = decision.Kept;
                var limit = rule == DocumentDecisions.EmbeddingRule
                    ? duplicates.Embeddings!.MinimumCosine
                    : duplicates.Near?.MinimumSimilarity;
                var other = key.Corpus == 0
                    ? IdFile.Get(folder.Ids(key.Partition), key.Index)
                    : FormattableString.Invariant($"{duplicates.Earlier[key.Corpus - 1]}#{key.Partition}/{key.Index}");
                return none with { Rule = rule, Value = decision.Similarity, Limit = limit, CopyOf = other };
            }

            if (units?.Of(index) is not { Count: > 0 } removed)
                return none;
            var text = TextUnits.Without(document.Text, duplicates.Units!.Level, removed);
            left = document with { Text = text };
            var visible = text.Count(c => !char.IsWhiteSpace(c));
            return visible < duplicates.Units.MinimumLeft
                ? none with { Rule = "repeated_parts", Value = visible, Limit = duplicates.Units.MinimumLeft, UnitsRemoved = removed.Count }
                : none with { UnitsRemoved = removed.Count };
        }
    }
}
