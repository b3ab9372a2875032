using System.Globalization;
using Parquet;
using Parquet.Schema;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// The rows of a parquet file, row group by row group: memory for the text columns of one group. A row's id is its number in the file.
/// Whatever the library throws on damaged bytes is damage, not a fault of this program.
/// </summary>
internal static class ParquetRows
{
    public static IEnumerable<SourceItem> Read(FileReading reading, string path, SourceFile file, CancellationToken cancellation)
    {
        var id = reading.Id(file, null);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        var (opened, damage) = Try(() => ParquetReader.CreateAsync(stream, cancellationToken: cancellation).GetAwaiter().GetResult());
        if (opened is null)
        {
            yield return SourceItem.Failed(id, "corrupt_parquet", $"{id}: {damage}", file.Bytes);
            yield break;
        }

        using var disposal = new Disposal(opened);
        // Text, and not within a list or a structure.
        var fields = opened.Schema.GetDataFields()
            .Where(field => field.Path.Length == 1 && !field.IsArray && field.ClrType == typeof(ReadOnlyMemory<char>))
            .ToDictionary(field => field.Name, StringComparer.Ordinal);
        if (!reading.TextFields.Any(fields.ContainsKey))
        {
            yield return SourceItem.Failed(id, "no_text_field", $"{id} has none of the columns {string.Join(", ", reading.TextFields)}.", file.Bytes);
            yield break;
        }

        var wanted = reading.TextFields.Concat(Record.AllFields).Where(fields.ContainsKey).Distinct(StringComparer.Ordinal).ToList();
        long row = 0;
        for (var group = 0; group < opened.RowGroupCount; group++)
        {
            cancellation.ThrowIfCancellationRequested();
            var (columns, why) = Try(() => Columns(opened, group, wanted, fields, cancellation));
            if (columns is null)
            {
                yield return SourceItem.Failed(
                    string.Create(CultureInfo.InvariantCulture, $"{id}#group{group}"), "corrupt_parquet", $"{id}, row group {group}: {why}", file.Bytes / opened.RowGroupCount);
                row += opened.RowGroups[group].RowCount;
                continue;
            }

            for (var i = 0; i < columns.Rows; i++, row++)
            {
                var at = i;
                var document = new Record(name => columns.Values.TryGetValue(name, out var values) ? values[at] : null).ToDocument(reading, file, row);
                yield return document is not null
                    ? SourceItem.Of(document)
                    : SourceItem.Failed(reading.Id(file, row), "no_text_field", $"{id}, row {row} has no text.", 0);
            }
        }
    }

    private static ColumnsOf Columns(
        ParquetReader reader, int group, List<string> wanted, Dictionary<string, DataField> fields, CancellationToken cancellation)
    {
        using var rows = reader.OpenRowGroupReader(group);
        var count = checked((int)rows.RowCount);
        var values = new Dictionary<string, string?[]>(StringComparer.Ordinal);
        foreach (var name in wanted)
        {
            var column = new string?[count];
            rows.ReadAsync(fields[name], column.AsMemory(), null, cancellation).AsTask().GetAwaiter().GetResult();
            values.Add(name, column);
        }

        return new ColumnsOf(count, values);
    }

    private static (T? Value, string? Damage) Try<T>(Func<T> read)
        where T : class
    {
        try
        {
            return (read(), null);
        }
        catch (Exception error) when (error is not (OperationCanceledException or UnauthorizedAccessException or OutOfMemoryException))
        {
            return (null, error.Message);
        }
    }

    private sealed record ColumnsOf(int Rows, IReadOnlyDictionary<string, string?[]> Values);

    private sealed class Disposal(ParquetReader reader) : IDisposable
    {
        public void Dispose() => reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
