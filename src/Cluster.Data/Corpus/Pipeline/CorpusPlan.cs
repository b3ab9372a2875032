using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Quality;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>What is to be read, fixed before anything is: sources as they were found, and how their files are cut into partitions.</summary>
/// <param name="RecipeSha256">Of the recipe that it was made for.</param>
/// <param name="Sources">In the recipe's order.</param>
/// <param name="Partitions">In source order; a partition's number is its place.</param>
/// <param name="Embeddings">The model that embeds, of which the folder holds a copy; null if the recipe asks for none.</param>
public sealed record CorpusPlan(
    string RecipeSha256, IReadOnlyList<PlannedSource> Sources, IReadOnlyList<PlannedPartition> Partitions,
    EmbeddingModel? Embeddings = null)
{
    /// <summary>Reads the plan of a folder, or null where there is none.</summary>
    public static CorpusPlan? Load(CorpusFolder folder) =>
        File.Exists(folder.Plan) ? RunJson.Parse<CorpusPlan>(File.ReadAllText(folder.Plan), folder.Plan) : null;

    /// <summary>
    /// Fetches what has to be fetched, lists all files and cuts them into partitions. Written into the folder, so that a later call and
    /// other processes find the same plan.
    /// </summary>
    /// <exception cref="UserErrorException">The folder holds a corpus of another recipe, or a source cannot be had.</exception>
    internal static async Task<CorpusPlan> MakeAsync(
        CorpusFolder folder, CurationRecipe recipe, CorpusResources resources, HttpClient http, HttpClient crawlHttp, TimeProvider time,
        Action<string>? progress, CancellationToken cancellation)
    {
        var hash = CurationRecipeJson.Hash(recipe);
        if (Load(folder) is { } present)
        {
            return present.RecipeSha256 == hash
                ? present
                : throw new UserErrorException($"{folder.Root} holds a corpus of another recipe.", "Give a new folder, or the recipe.json that it holds.");
        }

        AtomicWrite.AllText(folder.Recipe, CurationRecipeJson.Indented(recipe) + "\n");
        foreach (var path in recipe.Stages.Select(stage => stage.Options).OfType<IModelStage>().Select(stage => stage.Classifier).OfType<string>())
        {
            // Loaded first: a missing or damaged one is to be told before anything is fetched.
            TextClassifier.Load(path);
            AtomicWrite.AllBytes(folder.Model(path), await File.ReadAllBytesAsync(path, cancellation));
        }

        EmbeddingModel? embeddings = null;
        if (recipe.Duplicates.Embeddings is { } embedding)
        {
            embeddings = resources.RequireEmbeddings().Copy(embedding.Model, folder.EmbeddingModel);
            DuplicatesPhase.CheckEarlier(recipe.Duplicates, embeddings);
        }

        // Read once: all workers look for the same items, whatever becomes of the file.
        foreach (var set in recipe.Decontamination?.Sets ?? [])
            AtomicWrite.AllText(folder.EvaluationSet(set.Name), RunJson.Document(set.Load()));
        var around = new SourceSurroundings(recipe.Seed, recipe.Limits, http, crawlHttp, time);
        var sources = new List<PlannedSource>();
        var partitions = new List<PlannedPartition>();
        for (var number = 0; number < recipe.Sources.Count; number++)
        {
            var source = recipe.Sources[number];
            var opened = source.Open(around);
            progress?.Invoke($"{source.Name}: {opened.Description}");
            var snapshot = await opened.AcquireAsync(folder.Source(source.Name), cancellation);
            // A fetched source moves with the corpus.
            var root = Path.GetRelativePath(folder.Root, snapshot.Root);
            sources.Add(new PlannedSource(
                source.Name, opened.Description, root.StartsWith("..", StringComparison.Ordinal) ? snapshot.Root : root, snapshot.Files.Count,
                snapshot.Files.Sum(file => file.Bytes), snapshot.Failures, snapshot.PassedOver));
            foreach (var files in Cut(snapshot.Files, source.Reading(recipe.Limits), recipe.Limits))
            {
                AtomicWrite.AllText(folder.Partition(partitions.Count), RunJson.Document(files));
                partitions.Add(new PlannedPartition(number, files[0].Path, files.Count, files.Sum(file => file.Bytes)));
            }
        }

        var plan = new CorpusPlan(hash, sources, partitions, embeddings);
        AtomicWrite.AllText(folder.Plan, RunJson.Document(plan) + "\n");
        return plan;
    }

    /// <summary>
    /// Files in order into partitions: consecutive ones until the sizes of the limits are reached; a file that can be read by ranges is cut
    /// into ranges of that size.
    /// </summary>
    internal static IEnumerable<IReadOnlyList<SourceFile>> Cut(IReadOnlyList<SourceFile> files, FileReading reading, ReadLimits limits)
    {
        var current = new List<SourceFile>();
        long bytes = 0;
        foreach (var file in files)
        {
            if (reading.Splits(file.Path) && file.Bytes > limits.PartitionBytes)
            {
                if (current.Count > 0)
                    yield return current;
                (current, bytes) = ([], 0);
                for (long start = 0; start < file.Bytes; start += limits.PartitionBytes)
                {
                    var end = Math.Min(file.Bytes, start + limits.PartitionBytes);
                    yield return [file with { Start = start, End = end, Bytes = end - start }];
                }

                continue;
            }

            if (current.Count > 0 && (bytes + file.Bytes > limits.PartitionBytes || current.Count == limits.PartitionFiles))
            {
                yield return current;
                (current, bytes) = ([], 0);
            }

            current.Add(file);
            bytes += file.Bytes;
        }

        if (current.Count > 0)
            yield return current;
    }
}

/// <summary>A source as it was found.</summary>
/// <param name="Name">In the recipe.</param>
/// <param name="Description">For reports.</param>
/// <param name="Root">Folder of its files, relative to the corpus' folder if it is within.</param>
/// <param name="Files">Their number.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Failures">What could not be had.</param>
/// <param name="PassedOver">What was left out on purpose, by reason.</param>
public sealed record PlannedSource(
    string Name, string Description, string Root, int Files, long Bytes, IReadOnlyList<ReadFailure> Failures, IReadOnlyDictionary<string, long> PassedOver);

/// <summary>A partition as it was cut.</summary>
/// <param name="Source">The source's place in the recipe.</param>
/// <param name="First">Its first file.</param>
/// <param name="Files">Number of files or ranges.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record PlannedPartition(int Source, string First, int Files, long Bytes);
