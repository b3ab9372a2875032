namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// Documentation files in, types with their members out: two passes over the files in parallel (names, then prose), merged in
/// the files' order. Knows nothing of where the files came from.
/// </summary>
internal static class ReferenceLibrary
{
    /// <summary>A member whose id an earlier file documented already: the first stays.</summary>
    public const string DuplicateId = "duplicate_id";

    /// <summary>A file.</summary>
    /// <param name="Source">Name for reports.</param>
    /// <param name="Xml">Its text.</param>
    /// <param name="Copies">How often the same bytes were found, at least 1. Copies are counted, not parsed.</param>
    public sealed record Input(string Source, string Xml, int Copies);

    /// <summary>All types in order of first mention, what was dropped, and the files that were not well-formed.</summary>
    public sealed record Result(IReadOnlyList<ReferenceType> Types, CorpusStage Stage, IReadOnlyList<string> Warnings);

    /// <param name="files">In the order that decides which of two documentations of one id stays.</param>
    /// <param name="bytesIn">Bytes of the files with all copies, for the stage's figures.</param>
    /// <param name="workers">Files read at a time.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static Result Read(IReadOnlyList<Input> files, long bytesIn, int workers, CancellationToken cancellation)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        var types = new List<(string, string[])>[files.Count];
        Parallel.For(0, files.Count, options, i => types[i] = ReferenceXml.Types(files[i].Xml));
        var names = new TypeNames();
        foreach (var (id, parameters) in types.SelectMany(list => list))
            names.Add(id, parameters);

        var read = new ReferenceXml.FileMembers[files.Count];
        Parallel.For(0, files.Count, options, i => read[i] = ReferenceXml.Members(files[i].Xml, names, cancellation));

        var dropped = new DropCounts();
        var warnings = new List<string>();
        var merged = new Merger(names);
        long seen = 0, kept = 0, bytes = 0;
        for (var i = 0; i < files.Count; i++)
        {
            var file = read[i];
            seen += (long)file.Seen * files[i].Copies;
            dropped.Add("duplicate_file", (long)file.Seen * (files[i].Copies - 1));
            dropped.Add(file.Dropped);
            bytes += file.ProseBytes;
            if (file.Malformed is not null)
                warnings.Add($"{files[i].Source} is not well-formed XML; what came before the error is used ({file.Malformed})");
            foreach (var member in file.Members)
            {
                if (merged.Add(member, files[i].Source))
                    kept++;
                else
                    dropped.Add(DuplicateId);
            }
        }

        return new Result(merged.Types(), new CorpusStage("members", seen, kept, bytesIn, bytes, dropped.ToDictionary()), warnings);
    }

    private sealed class Merger(TypeNames names)
    {
        private readonly OrderedDictionary<string, Draft> _types = new(StringComparer.Ordinal);
        private readonly HashSet<string> _ids = new(StringComparer.Ordinal);

        public bool Add(ReferenceMember member, string source)
        {
            if (!_ids.Add(member.Id))
                return false;
            var typeId = member.Kind == MemberKind.Type ? member.Id[2..] : MemberIds.Split(member.Id).Owner;
            if (!_types.TryGetValue(typeId, out var draft))
                _types.Add(typeId, draft = new Draft(source));
            if (member.Kind == MemberKind.Type)
                draft.Documentation = member;
            else
                draft.Members.Add(member);
            return true;
        }

        public List<ReferenceType> Types()
        {
            var types = new List<ReferenceType>(_types.Count);
            foreach (var (id, draft) in _types)
            {
                var outermost = id[..names.OutermostLength(id)];
                var tick = outermost.IndexOf('`', StringComparison.Ordinal);
                types.Add(new ReferenceType(
                    id, MemberIds.TypeName(id, names), names.Namespace(id), tick < 0 ? outermost : outermost[..tick], outermost,
                    draft.Source, draft.Documentation, draft.Members));
            }

            return types;
        }

        private sealed class Draft(string source)
        {
            public string Source => source;

            public ReferenceMember? Documentation { get; set; }

            public List<ReferenceMember> Members { get; } = [];
        }
    }
}
