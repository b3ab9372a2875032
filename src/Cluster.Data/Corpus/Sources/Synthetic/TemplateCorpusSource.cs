using System.Globalization;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Sources.Synthetic;

/// <summary>
/// Texts from templates with slots: "{name} is {adjective}." with a list of values for each slot. The n-th text depends on the seed and n
/// alone; a slot that occurs twice in a template has one value.
/// </summary>
/// <param name="templates">At least one.</param>
/// <param name="values">Values by slot.</param>
/// <param name="count">Texts, at least 1.</param>
/// <param name="seed">The recipe's.</param>
/// <param name="stream">Tells apart several such sources of one recipe.</param>
internal sealed class TemplateCorpusSource(
    IReadOnlyList<string> templates, IReadOnlyDictionary<string, IReadOnlyList<string>> values, int count, ulong seed, ulong stream) : ICorpusSource
{
    /// <inheritdoc/>
    public string Description => $"{count} texts from {templates.Count} templates";

    /// <inheritdoc/>
    public Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return Task.FromResult(complete);
        using var writer = new RecordWriter(store.PathOf("00000.jsonl.zst"));
        for (var i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var text = Fill(i);
            writer.Add(json => json.WriteString("text", text));
        }

        var bytes = writer.Bytes;
        return Task.FromResult(store.Save([new SourceFile("00000.jsonl.zst", bytes) { Sha256 = writer.Complete() }], []));
    }

    /// <summary>The <paramref name="number"/>-th text.</summary>
    internal string Fill(int number)
    {
        var random = new CounterRandom(seed, RandomPurpose.Synthetic, StableHash.Hash64(string.Create(CultureInfo.InvariantCulture, $"template:{stream}:{number}")));
        ulong drawn = 0;
        var template = templates[(int)random.Below(drawn++, (ulong)templates.Count)];
        var chosen = new Dictionary<string, string>(StringComparer.Ordinal);
        var text = new StringBuilder();
        var rest = template.AsSpan();
        while (!rest.IsEmpty)
        {
            var open = rest.IndexOf('{');
            var close = open < 0 ? -1 : rest[open..].IndexOf('}');
            if (close < 0)
                break;
            var name = rest.Slice(open + 1, close - 1).ToString();
            if (!values.TryGetValue(name, out var list) || list.Count == 0)
                throw new UserErrorException($"The template \"{template}\" has a slot {{{name}}} without values.", $"Give values.{name} at least one.");
            if (!chosen.TryGetValue(name, out var value))
                chosen.Add(name, value = list[(int)random.Below(drawn++, (ulong)list.Count)]);
            text.Append(rest[..open]).Append(value);
            rest = rest[(open + close + 1)..];
        }

        return text.Append(rest).ToString();
    }
}
