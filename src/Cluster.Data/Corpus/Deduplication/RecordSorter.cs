// Enters: fixed-size records in any order. Leaves: the same in ascending order. Does not know: what they mean.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// Sorts more records than fit in memory: sorted runs go to disk whenever the buffer is full, and a k-way merge reads them back
/// (Knuth, TAOCP volume 3, section 5.4). Where the order of <typeparamref name="T"/> is total on its bits, what comes out depends on
/// the multiset of records only: not on their order of arrival, nor on the budget. One thread at a time.
/// </summary>
/// <param name="scratch">Folder for the runs; nothing stays in it after <see cref="Dispose"/>.</param>
/// <param name="memoryBytes">Bytes to use at most, for buffers of records; 4 KB are the least that it works with.</param>
internal sealed class RecordSorter<T>(string scratch, long memoryBytes) : IDisposable
    where T : unmanaged, IComparable<T>
{
    private const int SmallestRead = 1 << 12;
    private const int LargestRead = 1 << 20;
    private const int MostRunsAtOnce = 256;

    // While the buffer doubles, the old one lives too: half the budget for its last size keeps the sum under the whole.
    private readonly int _capacity = (int)Math.Clamp(memoryBytes / 2 / Unsafe.SizeOf<T>(), 64, Array.MaxLength);
    private readonly Queue<string> _runs = [];
    private T[] _buffer = [];
    private int _filled;

    /// <summary>Records added so far.</summary>
    public long Count { get; private set; }

    /// <summary>Runs that have gone to disk.</summary>
    public int Spills { get; private set; }

    public void Add(in T record)
    {
        if (_filled == _buffer.Length)
            MakeRoom();
        _buffer[_filled++] = record;
        Count++;
    }

    /// <summary>All records, ascending. The sorter takes no more afterwards, and can be read once.</summary>
    public IEnumerable<T> Sorted()
    {
        _buffer.AsSpan(0, _filled).Sort();
        if (_runs.Count == 0)
        {
            for (var i = 0; i < _filled; i++)
                yield return _buffer[i];
            yield break;
        }

        Spill();
        _buffer = [];
        var atOnce = (int)Math.Clamp(memoryBytes / (4 * SmallestRead), 2, MostRunsAtOnce);
        while (_runs.Count > atOnce)
            WriteRun(Merge(Take(atOnce)));
        foreach (var record in Merge(Take(_runs.Count)))
            yield return record;
    }

    public void Dispose()
    {
        _buffer = [];
        foreach (var run in _runs)
            File.Delete(run);
        _runs.Clear();
    }

    private void MakeRoom()
    {
        if (_buffer.Length == _capacity)
        {
            _buffer.AsSpan(0, _filled).Sort();
            Spill();
            return;
        }

        Array.Resize(ref _buffer, (int)Math.Min(_capacity, Math.Max(256, 2L * _buffer.Length)));
    }

    private void Spill()
    {
        if (_filled == 0)
            return;
        var path = NewRun();
        using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            const int most = 1 << 22;
            for (var bytes = MemoryMarshal.AsBytes(_buffer.AsSpan(0, Math.Min(_filled, most / Unsafe.SizeOf<T>()))); ;)
            {
                // A span of bytes ends at 2 GB, so the buffer goes out in pieces.
                file.Write(bytes);
                var written = (int)(file.Position / Unsafe.SizeOf<T>());
                if (written == _filled)
                    break;
                bytes = MemoryMarshal.AsBytes(_buffer.AsSpan(written, Math.Min(_filled - written, most / Unsafe.SizeOf<T>())));
            }
        }

        _filled = 0;
        Spills++;
    }

    private void WriteRun(IEnumerable<T> records)
    {
        using var file = new FileStream(NewRun(), FileMode.CreateNew, FileAccess.Write, FileShare.None, ReadBytes(2));
        foreach (var record in records)
            file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in record)));
    }

    private string NewRun()
    {
        var path = Path.Combine(scratch, Path.GetRandomFileName());
        _runs.Enqueue(path);
        return path;
    }

    private string[] Take(int count) => [.. Enumerable.Range(0, count).Select(_ => _runs.Dequeue())];

    private int ReadBytes(int runs) => (int)Math.Clamp(memoryBytes / (runs + 1), SmallestRead, LargestRead);

    private IEnumerable<T> Merge(string[] paths)
    {
        var runs = new List<RunReader>(paths.Length);
        try
        {
            foreach (var path in paths)
                runs.Add(new RunReader(path, ReadBytes(paths.Length)));
            var heap = new PriorityQueue<RunReader, T>(paths.Length);
            foreach (var run in runs)
                if (run.MoveNext())
                    heap.Enqueue(run, run.Current);
            while (heap.TryDequeue(out var run, out var record))
            {
                yield return record;
                if (run.MoveNext())
                    heap.Enqueue(run, run.Current);
            }
        }
        finally
        {
            foreach (var run in runs)
                run.Dispose();
            foreach (var path in paths)
                File.Delete(path);
        }
    }

    private sealed class RunReader(string path, int bufferBytes) : IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0, FileOptions.SequentialScan);
        private readonly T[] _records = new T[Math.Max(1, bufferBytes / Unsafe.SizeOf<T>())];
        private int _next, _filled;

        public T Current { get; private set; }

        public bool MoveNext()
        {
            if (_next == _filled)
            {
                _filled = _file.ReadAtLeast(MemoryMarshal.AsBytes(_records.AsSpan()), _records.Length * Unsafe.SizeOf<T>(), throwOnEndOfStream: false)
                    / Unsafe.SizeOf<T>();
                _next = 0;
                if (_filled == 0)
                    return false;
            }

            Current = _records[_next++];
            return true;
        }

        public void Dispose() => _file.Dispose();
    }
}
