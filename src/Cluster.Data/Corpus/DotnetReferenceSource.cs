using System.Collections.Concurrent;
using System.Xml;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>What reading the reference packs gave.</summary>
/// <param name="Members">Kept members in the files' order.</param>
/// <param name="MembersRead">Members seen, kept or not.</param>
/// <param name="Dropped">Members dropped as boilerplate, by reason.</param>
/// <param name="Duplicates">Members dropped because an earlier one says exactly the same.</param>
/// <param name="BytesRead">Size of the files.</param>
/// <param name="Files">Number of files.</param>
public sealed record ReferenceMembers(
    IReadOnlyList<ReferenceMember> Members,
    long MembersRead,
    IReadOnlyDictionary<string, long> Dropped,
    long Duplicates,
    long BytesRead,
    int Files);

/// <summary>
/// The .NET class library's reference documentation as structured plain text: documentation files in, members without boilerplate and
/// exact duplicates out. Two passes, because a name such as List&lt;T&gt; needs all types known first. Files are read in parallel; the
/// result does not depend on the number of workers. It knows nothing of documents, splits or dialogues.
/// </summary>
public static class DotnetReferenceSource
{
    /// <summary>Reads <paramref name="files"/>.</summary>
    /// <param name="files">In the order that decides which of two equal members stays: the first.</param>
    /// <param name="workers">Files read at once, at least 1.</param>
    /// <param name="cancellation">Stops between files.</param>
    /// <exception cref="UserErrorException">A file is not well-formed XML or cannot be read.</exception>
    public static ReferenceMembers Read(IReadOnlyList<ReferenceFile> files, int workers, CancellationToken cancellation = default)
    {
        var types = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var found in ForEach(files, workers, cancellation, (stream, _) => ReferenceXml.ReadTypes(stream)))
        {
            foreach (var (type, parameters) in found)
                types.TryAdd(type, parameters);
        }

        var names = new MemberNames(types);
        var parts = ForEach(files, workers, cancellation, (stream, file) => ReadFile(stream, file, names));

        var seen = new HashSet<UInt128>();
        var members = new List<ReferenceMember>();
        var dropped = new SortedDictionary<string, long>(StringComparer.Ordinal);
        long read = 0, duplicates = 0, bytes = 0;
        foreach (var part in parts)
        {
            read += part.Read;
            bytes += part.Bytes;
            foreach (var (reason, count) in part.Dropped)
                dropped[reason] = dropped.GetValueOrDefault(reason) + count;
            foreach (var (member, hash) in part.Members)
            {
                if (seen.Add(hash))
                    members.Add(member);
                else
                    duplicates++;
            }
        }

        return new(members, read, dropped, duplicates, bytes, files.Count);
    }

    private static FilePart ReadFile(Stream stream, ReferenceFile file, MemberNames names)
    {
        var members = new List<(ReferenceMember, UInt128)>();
        var dropped = new SortedDictionary<string, long>(StringComparer.Ordinal);
        long read = 0;
        foreach (var raw in ReferenceXml.ReadMembers(stream, names))
        {
            read++;
            if (Boilerplate.Reason(raw) is { } reason)
            {
                dropped[reason] = dropped.GetValueOrDefault(reason) + 1;
                continue;
            }

            var member = Resolve(raw, file.Source, names);
            members.Add((member, StableHash.Of128(Prose(member))));
        }

        return new(members, read, dropped, stream.Length);
    }

    private static ReferenceMember Resolve(RawMember raw, string source, MemberNames names)
    {
        var kind = MemberNames.KindOf(raw.Id) ?? throw new InvalidOperationException($"{raw.Id} has no kind.");
        var typeParameters = kind == MemberKind.Type ? [] : raw.TypeParameters.Select(p => p.Name).ToArray();
        return new(
            raw.Id,
            kind,
            names.FullType(raw.Id),
            names.Group(raw.Id),
            names.Display(raw.Id, null, typeParameters),
            names.Display(raw.Id, [.. raw.Parameters.Select(p => p.Name)], typeParameters),
            raw.Summary,
            Described(raw.TypeParameters),
            Described(raw.Parameters),
            raw.Returns,
            raw.Value,
            Described(raw.Exceptions),
            raw.Remarks,
            source);

        static NamedText[] Described(IEnumerable<NamedText> list) => [.. list.Where(p => p.Text.Length > 0)];
    }

    /// <summary>All that a member says, without its name: two overloads that say the same are duplicates.</summary>
    private static string Prose(ReferenceMember member)
    {
        var parts = new List<string> { member.Summary };
        foreach (var list in (ReadOnlySpan<IReadOnlyList<NamedText>>)[member.TypeParameters, member.Parameters, member.Exceptions])
            parts.AddRange(list.Select(p => $"{p.Name}\u001f{p.Text}"));
        parts.AddRange([member.Returns, member.Value, member.Remarks]);
        return string.Join('\u001e', parts);
    }

    private static T[] ForEach<T>(
        IReadOnlyList<ReferenceFile> files, int workers, CancellationToken cancellation, Func<Stream, ReferenceFile, T> read)
    {
        var results = new T[files.Count];
        // Single files differ in size by a factor of 1,000, so each worker takes the next one rather than a range.
        var order = Partitioner.Create(Enumerable.Range(0, files.Count), EnumerablePartitionerOptions.NoBuffering);
        try
        {
            Parallel.ForEach(order, new() { MaxDegreeOfParallelism = Math.Max(1, workers), CancellationToken = cancellation }, i =>
            {
                using var stream = new FileStream(files[i].Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
                try
                {
                    results[i] = read(stream, files[i]);
                }
                catch (XmlException e)
                {
                    throw new UserErrorException(
                        $"{files[i].Path} is not well-formed XML: {e.Message}", "Repair the .NET SDK, or give a folder of text with --corpus.", e);
                }
            });
        }
        catch (AggregateException e) when (e.InnerException is UserErrorException or IOException or UnauthorizedAccessException)
        {
            throw e.InnerException as UserErrorException
                ?? new UserErrorException($"A reference pack cannot be read: {e.InnerException.Message}", "Check its permissions, or give a folder of text with --corpus.", e);
        }

        return results;
    }

    private sealed record FilePart(
        IReadOnlyList<(ReferenceMember Member, UInt128 Hash)> Members, long Read, IReadOnlyDictionary<string, long> Dropped, long Bytes);
}
