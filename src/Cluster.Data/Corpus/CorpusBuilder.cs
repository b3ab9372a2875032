using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Dialogues;

namespace Cluster.Data.Corpus;

/// <summary>
/// From raw text to a curated corpus: read, drop boilerplate and duplicates, split, score, make dialogues, measure. Options in, corpus
/// out; a pure function of the text found and the options other than the number of workers. Writes nothing.
/// </summary>
public static class CorpusBuilder
{
    /// <summary>Curates the corpus that <paramref name="options"/> names.</summary>
    /// <exception cref="UserErrorException">The text is missing, unreadable or too little, or an option is out of range.</exception>
    public static CuratedCorpus Build(CorpusOptions options, CancellationToken cancellation = default)
    {
        if (options.Workers < 1)
            throw new UserErrorException(FormattableString.Invariant($"The number of workers is {options.Workers}."), "Give 1 or more.");
        options.Fractions.Validate();
        return options.Path is null ? FromReference(options, cancellation) : FromFolder(options, options.Path, cancellation);
    }

    private static CuratedCorpus FromReference(CorpusOptions options, CancellationToken cancellation)
    {
        var files = DotnetSdk.FindReferenceFiles(options.SdkRoots ?? DotnetSdk.Candidates());
        var reference = DotnetReferenceSource.Read(files, options.Workers, cancellation);
        var documents = ReferenceDocuments.Assemble(reference.Members);
        if (documents.Count == 0)
            throw new UserErrorException("The reference packs hold no documentation.", "Repair the .NET SDK, or give a folder of text with --corpus.");
        var split = CorpusSplit.Divide(documents, options.Fractions);
        var conversations = ReferenceDialogues.Create(reference.Members, options.Seed);
        var dialogues = split.Mode == SplitMode.HashOfGroup
            ? ByGroup(conversations, split)
            : ByTail(conversations, options.Fractions);
        return Finish(options, split, dialogues, IdentityDialogues.ForReference, cancellation, bytes => new()
        {
            Source = "dotnet-reference",
            Packs = [.. files.Select(f => f.Source[..f.Source.LastIndexOf('/')]).Distinct(StringComparer.Ordinal)],
            Files = reference.Files,
            BytesIn = reference.BytesRead,
            BytesOut = bytes,
            ItemsIn = reference.MembersRead,
            ItemsKept = reference.Members.Count,
            Dropped = reference.Dropped,
            Duplicates = reference.Duplicates,
            InvalidSequences = 0,
        });
    }

    private static CuratedCorpus FromFolder(CorpusOptions options, string path, CancellationToken cancellation)
    {
        var folder = FolderSource.Read(path, options.Workers, cancellation);
        var split = CorpusSplit.Divide(folder.Documents, options.Fractions);
        var dialogues = Enum.GetValues<Split>().Select(s => GenericDialogues.Create(split[s], options.Seed)).ToArray();
        var dropped = new SortedDictionary<string, long>(StringComparer.Ordinal);
        if (folder.Empty > 0)
            dropped["empty"] = folder.Empty;
        return Finish(options, split, dialogues, IdentityDialogues.ForAnyText, cancellation, bytes => new()
        {
            Source = "folder",
            Packs = [],
            Files = folder.Files,
            BytesIn = folder.BytesRead,
            BytesOut = bytes,
            ItemsIn = folder.Documents.Count + folder.Empty + folder.Duplicates,
            ItemsKept = folder.Documents.Count,
            Dropped = dropped,
            Duplicates = folder.Duplicates,
            InvalidSequences = folder.InvalidSequences,
        });
    }

    private static IReadOnlyList<Conversation>[] ByGroup(IReadOnlyList<Conversation> conversations, CorpusSplit split)
    {
        var parts = conversations.ToLookup(c => split.Of(c.Group));
        return [.. Enum.GetValues<Split>().Select(s => (IReadOnlyList<Conversation>)[.. parts[s]])];
    }

    private static IReadOnlyList<Conversation>[] ByTail(IReadOnlyList<Conversation> conversations, SplitFractions fractions)
    {
        var train = (int)(conversations.Count * fractions.Train);
        var validation = (int)(conversations.Count * (fractions.Train + fractions.Validation));
        return [[.. conversations.Take(train)], [.. conversations.Take(train..validation)], [.. conversations.Skip(validation)]];
    }

    private static CuratedCorpus Finish(
        CorpusOptions options,
        CorpusSplit split,
        IReadOnlyList<Conversation>[] dialogues,
        IReadOnlyList<Conversation> identity,
        CancellationToken cancellation,
        Func<long, Draft> draft)
    {
        var train = Score(split[Split.Train], options, cancellation);
        var validation = Score(split[Split.Validation], options, cancellation);
        var test = Score(split[Split.Test], options, cancellation);
        var best = BestDecile(train);
        // Who the model is belongs to no text: it is learnt, never asked as a held-out question.
        IReadOnlyList<Conversation> trainDialogues = [.. identity, .. dialogues[(int)Split.Train]];
        var (validationDialogues, testDialogues) = (dialogues[(int)Split.Validation], dialogues[(int)Split.Test]);
        var overlap = NgramOverlap.Measure(train.Select(d => d.Text), validation.Concat(test).Select(d => d.Text));
        long Bytes(IReadOnlyList<Document> documents) => documents.Sum(d => (long)Encoding.UTF8.GetByteCount(d.Text));
        var (trainBytes, validationBytes, testBytes) = (Bytes(train), Bytes(validation), Bytes(test));
        var facts = draft(trainBytes + validationBytes + testBytes);
        var held = FormattableString.Invariant($"{100 * (1 - options.Fractions.Train):0.#} %");
        return new()
        {
            Train = train,
            TrainBest = best,
            Validation = validation,
            Test = test,
            TrainDialogues = trainDialogues,
            ValidationDialogues = validationDialogues,
            TestDialogues = testDialogues,
            ContentSha256 = Hash([train, best, validation, test], [trainDialogues, validationDialogues, testDialogues]),
            Report = new()
            {
                Source = facts.Source,
                Packs = facts.Packs,
                Files = facts.Files,
                BytesIn = facts.BytesIn,
                BytesOut = facts.BytesOut,
                ItemsIn = facts.ItemsIn,
                ItemsKept = facts.ItemsKept,
                Dropped = facts.Dropped,
                Duplicates = facts.Duplicates,
                InvalidSequences = facts.InvalidSequences,
                SplitMode = split.Mode,
                SplitNote = split.Mode == SplitMode.HashOfGroup
                    ? $"{held} of the groups are held out, chosen by a hash of the group's name."
                    : $"Fewer than {CorpusSplit.FewestGroups} documents: the last {held} of the text are held out.",
                Train = new(train.Length, trainBytes, trainDialogues.Count),
                TrainBest = new(best.Length, Bytes(best), 0),
                Validation = new(validation.Length, validationBytes, validationDialogues.Count),
                Test = new(test.Length, testBytes, testDialogues.Count),
                Overlap = overlap,
                QualityScorer = options.Scorer.Name,
            },
        };
    }

    private static Document[] Score(IReadOnlyList<Document> documents, CorpusOptions options, CancellationToken cancellation)
    {
        var scored = new Document[documents.Count];
        Parallel.For(0, scored.Length, new() { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation }, i =>
            scored[i] = documents[i] with { Quality = options.Scorer.Score(documents[i].Text) });
        return scored;
    }

    private static Document[] BestDecile(Document[] train)
    {
        // By bytes rather than by count: the phase that reads it is a tenth of the tokens, and short documents score low.
        var wanted = train.Sum(d => (long)Encoding.UTF8.GetByteCount(d.Text)) / 10;
        var chosen = new SortedSet<int>();
        long bytes = 0;
        foreach (var i in Enumerable.Range(0, train.Length).OrderByDescending(i => train[i].Quality).ThenBy(i => i))
        {
            if (chosen.Count > 0 && bytes >= wanted)
                break;
            chosen.Add(i);
            bytes += Encoding.UTF8.GetByteCount(train[i].Text);
        }

        return [.. chosen.Select(i => train[i])];
    }

    private static string Hash(IReadOnlyList<Document>[] parts, IReadOnlyList<Conversation>[] dialogues)
    {
        // Each string with its length before it and each list with its count, so that no two corpora give the same bytes.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var number = new byte[sizeof(long)];
        foreach (var part in parts)
        {
            Number(part.Count);
            foreach (var d in part)
            {
                Text(d.Id);
                Text(d.Text);
                Text(d.Group);
                Text(d.Source);
                Number(BitConverter.DoubleToInt64Bits(d.Quality));
            }
        }

        foreach (var part in dialogues)
        {
            Number(part.Count);
            foreach (var c in part)
            {
                Text(c.Group);
                Number(c.Messages.Count);
                foreach (var m in c.Messages)
                {
                    Number((long)m.Role);
                    Text(m.Content);
                }
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Number(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, value);
            hash.AppendData(number);
        }

        void Text(string text)
        {
            Number(text.Length);
            hash.AppendData(MemoryMarshal.AsBytes(text.AsSpan()));
        }
    }

    /// <summary>The part of the report that the source alone knows.</summary>
    private sealed record Draft
    {
        public required string Source { get; init; }
        public required IReadOnlyList<string> Packs { get; init; }
        public required int Files { get; init; }
        public required long BytesIn { get; init; }
        public required long BytesOut { get; init; }
        public required long ItemsIn { get; init; }
        public required long ItemsKept { get; init; }
        public required IReadOnlyDictionary<string, long> Dropped { get; init; }
        public required long Duplicates { get; init; }
        public required long InvalidSequences { get; init; }
    }
}
