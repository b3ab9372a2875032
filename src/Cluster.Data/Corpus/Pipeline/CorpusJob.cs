using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>A phase of a build: units of one are independent of each other, and follow all units of the phases before.</summary>
/// <param name="Name">As in markers.</param>
/// <param name="Units">Their number.</param>
public sealed record CorpusPhase(string Name, int Units);

/// <summary>
/// The build of a corpus as phases of units. A unit is a function of the plan and of what earlier phases wrote; it may run in any
/// process that sees the folder, and again: what it writes appears whole, is the same each time, and its marker last of all. Nothing is
/// remembered between units but that.
/// </summary>
public sealed class CorpusJob
{
    private readonly CorpusFolder _folder;
    private readonly CurationRecipe _recipe;
    private readonly CorpusPlan _plan;
    private readonly CorpusResources _resources;
    private readonly Lazy<StageChain> _chain;
    private readonly Lazy<MixPlan?> _mix;

    private CorpusJob(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, CorpusResources resources)
    {
        (_folder, _recipe, _plan, _resources) = (folder, recipe, plan, resources.Validate());
        _chain = new Lazy<StageChain>(() => StageChain.Of(folder, recipe, resources.Times));
        _mix = new Lazy<MixPlan?>(() => recipe.Mix is { } mix ? MixPlan.Create(Domains(WritePhase.CountName), mix) : null);
        var partitions = plan.Partitions.Count;
        Phases =
        [
            new CorpusPhase(ReadPhase.Name, partitions),
            .. DuplicatesPhase.Of(recipe.Duplicates, partitions),
            .. recipe.Duplicates.Units is null ? (CorpusPhase[])[] : [new CorpusPhase(UnitHashPhase.Name, partitions), .. DuplicatesPhase.OfUnits(partitions)],
            .. recipe.Mix is null ? (CorpusPhase[])[] : [new CorpusPhase(WritePhase.CountName, partitions)],
            new CorpusPhase(WritePhase.Name, partitions),
            .. recipe.Tokenizer is null ? (CorpusPhase[])[] : [new CorpusPhase(PiecePhase.CountName, partitions), new CorpusPhase(PiecePhase.LearnName, 1)],
        ];
    }

    /// <summary>In order.</summary>
    public IReadOnlyList<CorpusPhase> Phases { get; private init; }

    /// <summary>The folder.</summary>
    public CorpusFolder Folder => _folder;

    /// <summary>What is read.</summary>
    public CorpusPlan Plan => _plan;

    /// <summary>Fetches and lists the sources and fixes the partitions, or finds them fixed.</summary>
    /// <param name="folder">Where the corpus goes.</param>
    /// <param name="recipe">How it is made.</param>
    /// <param name="resources">What may be used.</param>
    /// <param name="time">Clocks pauses between requests.</param>
    /// <param name="progress">Told of each source.</param>
    /// <param name="cancellation">Ends it early; a later call goes on.</param>
    /// <exception cref="UserErrorException">The recipe is wrong, a source cannot be had, or the folder holds another corpus.</exception>
    public static async Task<CorpusJob> PrepareAsync(
        CorpusFolder folder, CurationRecipe recipe, CorpusResources resources, TimeProvider? time = null, Action<string>? progress = null,
        CancellationToken cancellation = default)
    {
        recipe.Validate();
        using var http = new HttpClient(new SocketsHttpHandler()) { Timeout = Timeout.InfiniteTimeSpan };
        using var crawl = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = System.Net.DecompressionMethods.All,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        var plan = await CorpusPlan.MakeAsync(folder, recipe, resources, http, crawl, time ?? TimeProvider.System, progress, cancellation);
        return new CorpusJob(folder, recipe, plan, resources);
    }

    /// <summary>The build that another process prepared.</summary>
    /// <exception cref="UserErrorException">The folder holds none.</exception>
    public static CorpusJob Open(CorpusFolder folder, CorpusResources resources)
    {
        if (!File.Exists(folder.Recipe) || CorpusPlan.Load(folder) is not { } plan)
            throw new UserErrorException($"{folder.Root} holds no corpus.", "Give the folder that corpus build was given as --out.");
        var recipe = CurationRecipeJson.Parse(File.ReadAllText(folder.Recipe), folder.Recipe);
        return CurationRecipeJson.Hash(recipe) == plan.RecipeSha256
            ? new CorpusJob(folder, recipe, plan, resources)
            : throw new UserErrorException($"{folder.Recipe} was changed after the build began.", "Build the changed recipe into a new folder.");
    }

    /// <summary>The pieces of a finished corpus, still to be counted where its recipe asks for no tokenizer: that one phase.</summary>
    /// <exception cref="UserErrorException">The folder holds no finished corpus.</exception>
    public static CorpusJob OpenPieces(CorpusFolder folder, CorpusResources resources)
    {
        CorpusSummary.Require(folder);
        var job = Open(folder, resources);
        return new CorpusJob(folder, job._recipe, job._plan, resources) { Phases = [new CorpusPhase(PiecePhase.CountName, job._plan.Partitions.Count)] };
    }

    /// <summary>Learns a vocabulary from the counted pieces, and clears away what outgrew memory.</summary>
    /// <param name="vocabulary">Ids, 272 to 1,000,000.</param>
    /// <param name="path">The file to write; null for the corpus' own <see cref="CorpusFolder.Tokenizer"/>.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">
    /// The corpus' own file is of another size by its recipe, a count is missing or damaged, or the file can't be written.
    /// </exception>
    public TokenizerSummary LearnTokenizer(int vocabulary, string? path = null, CancellationToken cancellation = default)
    {
        if (path is null && _recipe.Tokenizer is { } fixedBy && fixedBy.Vocabulary != vocabulary)
        {
            throw new UserErrorException(
                $"The corpus {_folder.Root} has a tokenizer of {fixedBy.Vocabulary} ids by its recipe, not of {vocabulary}.", "Give another file as --out.");
        }

        var made = new PiecePhase(_folder, _resources).Learn(vocabulary, _plan.Partitions.Count, path ?? _folder.Tokenizer, cancellation);
        if (Directory.Exists(_folder.Work))
            Directory.Delete(_folder.Work, recursive: true);
        return made;
    }

    /// <summary>Units of a phase that are not done, in order.</summary>
    public IReadOnlyList<int> Pending(CorpusPhase phase) =>
        [.. Enumerable.Range(0, phase.Units).Where(unit => !File.Exists(_folder.Marker(phase.Name, unit)))];

    /// <summary>Does a unit, unless it is done.</summary>
    /// <param name="phase">The name of the phase; all units of the phases before it are done.</param>
    /// <param name="unit">The unit.</param>
    /// <param name="cancellation">Ends it early; it counts as not begun.</param>
    /// <exception cref="UserErrorException">Too much could not be read, or a file cannot be written or is damaged.</exception>
    public void Run(string phase, int unit, CancellationToken cancellation = default)
    {
        var marker = _folder.Marker(phase, unit);
        if (File.Exists(marker))
            return;
        // Before anything is looked for: without its first unit a phase is not done, whatever the others do meanwhile.
        if (unit == 0 && phase == DuplicatesPhase.Of(_recipe.Duplicates, _plan.Partitions.Count).First(next => next.Units > 0).Name)
            CheckFailures();
        var duplicates = new DuplicatesPhase(_folder, _recipe, _plan, _resources);
        var result = phase switch
        {
            ReadPhase.Name => new ReadPhase(_folder, _recipe, _plan, _chain.Value, _resources.Times).Run(unit, cancellation),
            DuplicatesPhase.RangeName => duplicates.Range(unit, cancellation),
            DuplicatesPhase.BandName => duplicates.Band(unit, cancellation),
            DuplicatesPhase.ExactName => duplicates.Exact(ResultsOf(DuplicatesPhase.RangeName)),
            EmbedPhase.Name => new EmbedPhase(_folder, _recipe, _plan, _resources).Run(unit, cancellation),
            DuplicatesPhase.EmbeddingBandName => duplicates.EmbeddingBand(unit, cancellation),
            DuplicatesPhase.Name => duplicates.Documents(
                ResultsOf(DuplicatesPhase.BandName), ResultsOf(DuplicatesPhase.EmbeddingBandName), cancellation),
            UnitHashPhase.Name => new UnitHashPhase(_folder, _recipe).Run(unit, cancellation),
            DuplicatesPhase.UnitRangeName => duplicates.UnitRange(unit, cancellation),
            DuplicatesPhase.UnitName => duplicates.Units(ResultsOf(DuplicatesPhase.UnitRangeName)),
            WritePhase.CountName => new WritePhase(_folder, _recipe, _plan, _resources.Times).Count(unit, cancellation),
            WritePhase.Name => new WritePhase(_folder, _recipe, _plan, _resources.Times).Write(unit, _mix.Value, cancellation),
            PiecePhase.CountName => new PiecePhase(_folder, _resources).Count(unit, cancellation),
            PiecePhase.LearnName => new UnitResult
            {
                Tokenizer = new PiecePhase(_folder, _resources).Learn(_recipe.Tokenizer!.Vocabulary, _plan.Partitions.Count, _folder.Tokenizer, cancellation),
            },
            _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, "no such phase"),
        };
        AtomicWrite.AllText(marker, RunJson.Line(result) + "\n");
    }

    /// <summary>What came out, once all phases are done; written into the folder. What lies between phases is deleted.</summary>
    /// <param name="keepWork">Whether to leave it.</param>
    public CorpusSummary Finish(bool keepWork = false)
    {
        if (CorpusSummary.Load(_folder) is { } present)
            return present;
        var statistics = new CorpusStatistics();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long documents = 0, bytes = 0;
        foreach (var phase in Phases)
        {
            foreach (var result in Results(phase))
            {
                statistics.Add(result.Statistics);
                if (phase.Name != WritePhase.Name)
                    continue;
                hash.AppendData(Encoding.ASCII.GetBytes(result.Sha256!));
                documents += result.Records;
                bytes += result.Bytes;
            }
        }

        foreach (var failure in _plan.Sources.SelectMany(source => source.Failures))
            statistics.Failed(failure.Reason, failure.Bytes);
        var duplicates = ResultsOf(DuplicatesPhase.Name).Single();
        var summary = new CorpusSummary
        {
            Name = _recipe.Name,
            RecipeSha256 = _plan.RecipeSha256,
            CorpusSha256 = Convert.ToHexStringLower(hash.GetHashAndReset()),
            Documents = documents,
            Bytes = bytes,
            Partitions = _plan.Partitions.Count,
            Sources = [.. _plan.Sources.Select(source => new SourceSummary(source.Name, source.Description, source.Files, source.Bytes, source.Failures.Count, source.PassedOver))],
            Statistics = statistics,
            FailedShare = FailedShare(out _, out _),
            FailureExamples = [.. _plan.Sources.SelectMany(source => source.Failures).Select(failure => failure.Detail)
                .Concat(Results(Phases[0]).SelectMany(result => result.Examples)).Take(20)],
            Exact = ResultsOf(DuplicatesPhase.ExactName).SingleOrDefault()?.Exact,
            Near = duplicates.Near,
            Embeddings = duplicates.Embeddings,
            EmbeddingModel = _plan.Embeddings,
            Contamination = Contamination(),
            Mix = _mix.Value?.Report(Domains(WritePhase.Name)),
            Units = ResultsOf(DuplicatesPhase.UnitName).SingleOrDefault()?.Units,
            Tokenizer = ResultsOf(PiecePhase.LearnName).SingleOrDefault()?.Tokenizer,
        };
        AtomicWrite.AllText(_folder.Summary, RunJson.Document(summary) + "\n");
        // Of units whose process was killed while it wrote.
        foreach (var folder in (string[])[_folder.Shards, Path.GetDirectoryName(_folder.Provenance(0))!, Path.GetDirectoryName(_folder.Pieces(0))!])
        {
            foreach (var remnant in Directory.Exists(folder) ? Directory.GetFiles(folder, "*.tmp") : [])
                File.Delete(remnant);
        }

        if (!keepWork && Directory.Exists(_folder.Work))
            Directory.Delete(_folder.Work, recursive: true);
        return summary;
    }

    private IReadOnlyList<SetContamination>? Contamination()
    {
        if (_chain.Value.Evaluation is not { } index)
            return null;
        var tally = new ContaminationTally(index);
        for (var partition = 0; partition < _plan.Partitions.Count; partition++)
            tally.Add(_folder.Contamination(partition));
        return tally.Report();
    }

    private IReadOnlyDictionary<string, DomainSize> Domains(string phase)
    {
        var tally = new MixTally();
        foreach (var (domain, size) in ResultsOf(phase).SelectMany(result => result.Domains!))
            tally.Add(domain, size);
        return tally.Sizes;
    }

    /// <summary>What all units of a phase say; nothing where the recipe has no such phase.</summary>
    private UnitResult[] ResultsOf(string name) => Phases.FirstOrDefault(phase => phase.Name == name) is { } phase ? [.. Results(phase)] : [];

    private IEnumerable<UnitResult> Results(CorpusPhase phase)
    {
        for (var unit = 0; unit < phase.Units; unit++)
        {
            var marker = _folder.Marker(phase.Name, unit);
            yield return File.Exists(marker)
                ? RunJson.Parse<UnitResult>(File.ReadAllText(marker), marker)
                : throw new InvalidOperationException($"unit {unit} of phase {phase.Name} is not done");
        }
    }

    /// <summary>The larger of the shares of items and of bytes that could not be read.</summary>
    private double FailedShare(out long items, out long bytes)
    {
        (items, bytes) = (0, 0);
        long allItems = 0, allBytes = 0;
        foreach (var failure in _plan.Sources.SelectMany(source => source.Failures))
        {
            items++;
            allItems++;
            bytes += failure.Bytes;
            allBytes += failure.Bytes;
        }

        allBytes += _plan.Sources.Sum(source => source.Bytes);
        foreach (var result in Results(Phases[0]))
        {
            allItems += result.Statistics.Stages.Find(stage => stage.Name == ReadPhase.Name)?.In ?? 0;
            foreach (var counts in result.Statistics.Failures.Values)
            {
                items += counts.Items;
                allItems += counts.Items;
                bytes += counts.Bytes;
            }
        }

        return Math.Max(allItems == 0 ? 0 : items / (double)allItems, allBytes == 0 ? 0 : Math.Min(1, bytes / (double)allBytes));
    }

    private void CheckFailures()
    {
        var share = FailedShare(out var items, out var bytes);
        if (share <= _recipe.MaximumFailedShare)
            return;
        var reasons = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (reason, count) in Results(Phases[0]).SelectMany(result => result.Statistics.Failures).Select(pair => (pair.Key, pair.Value.Items))
            .Concat(_plan.Sources.SelectMany(source => source.Failures).Select(failure => (failure.Reason, 1L))))
            reasons[reason] = reasons.GetValueOrDefault(reason) + count;
        throw new UserErrorException(
            FormattableString.Invariant($"{items} item(s) of {bytes} bytes could not be read, a share of {share:0.####} ({string.Join(", ", reasons.Select(pair => $"{pair.Value} {pair.Key}"))})."),
            FormattableString.Invariant($"Mend the sources and build into a new folder, or raise maximum_failed_share ({_recipe.MaximumFailedShare})."));
    }
}
