// Enters: flat vectors of parameters and moments with their layout. Leaves: folders of safetensors and a manifest, and the vectors
// again. Does not know: training, replicas, who asks.

using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Runs;

namespace Cluster.Core.Checkpoints;

/// <summary>
/// The checkpoints of one training stage: a folder <c>step-000001234</c> each. One is written aside, flushed to disk and renamed, so
/// that under its name it is whole; only then do older ones go. One process writes at a time; any number may read.
/// </summary>
/// <param name="folder">Holds them; made when the first one is saved.</param>
/// <param name="keep">How many stay, 1 or more.</param>
public sealed class CheckpointStore(string folder, int keep)
{
    private const string Prefix = "step-";
    private const string WeightsFile = "weights.safetensors";
    private const string OptimizerFile = "optimizer.safetensors";
    private const string ManifestFile = "manifest.json";
    private const string FirstMoment = "first_moment.";
    private const string SecondMoment = "second_moment.";

    // A checkpoint that is not whole yet.
    private const string Writing = ".writing";

    // The earlier checkpoint of a step that is saved again, for the moment between two renames.
    private const string Replaced = ".replaced";

    // One that is no longer whole.
    private const string Deleting = ".deleting";

    private readonly string _folder = Path.GetFullPath(folder);
    private readonly int _keep = keep >= 1
        ? keep
        : throw new ArgumentOutOfRangeException(nameof(keep), keep, "At least one checkpoint stays.");

    /// <summary>
    /// Saves a checkpoint, then deletes the ones of earlier steps beyond the number to keep. One of the same step is replaced; ones
    /// of later steps, from before a return to an earlier one, stay.
    /// </summary>
    /// <param name="state">What to note beside the vectors.</param>
    /// <param name="layout">Names and places.</param>
    /// <param name="parameters">The flat vector, its padding zero.</param>
    /// <param name="firstMoments">Of the optimizer, alike.</param>
    /// <param name="secondMoments">Of the optimizer, alike.</param>
    /// <exception cref="UserErrorException">It cannot be written; the earlier ones are as they were.</exception>
    /// <exception cref="ArgumentException">A length, padding or number is not as described; nothing is written.</exception>
    public SavedCheckpoint Save(
        CheckpointState state,
        ParameterLayout layout,
        ReadOnlySpan<float> parameters,
        ReadOnlySpan<float> firstMoments,
        ReadOnlySpan<float> secondMoments)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(state.Step);
        if (!double.IsFinite(state.Seconds) || !double.IsFinite(state.BestValidationLoss ?? 0))
            throw new ArgumentException("Seconds and loss must be finite.", nameof(state));
        RequireVector(layout, parameters, nameof(parameters));
        RequireVector(layout, firstMoments, nameof(firstMoments));
        RequireVector(layout, secondMoments, nameof(secondMoments));

        var path = Path.Combine(_folder, FolderName(state.Step));
        var aside = path + Writing;
        CheckpointManifest manifest;
        try
        {
            Directory.CreateDirectory(_folder);
            ClearRemnants();
            Directory.CreateDirectory(aside);
            manifest = Write(aside, state, layout, parameters, firstMoments, secondMoments);
            PutInPlace(aside, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or UserErrorException)
        {
            TryDelete(aside);
            var reason = e is UserErrorException user ? user.What : e.Message;
            throw new UserErrorException(
                $"The checkpoint {path} cannot be saved: {reason.TrimEnd('.')}.",
                "Check that the folder is writable and the disk has space; earlier checkpoints are as they were.", e);
        }

        foreach (var (older, _) in Folders().Where(entry => entry.Step < state.Step).Skip(_keep - 1))
            TryDelete(older);
        return new SavedCheckpoint(path, manifest);
    }

    /// <summary>All checkpoints with a readable manifest, by step; their tensor files are not looked at.</summary>
    /// <exception cref="UserErrorException">The folder cannot be read.</exception>
    public IReadOnlyList<SavedCheckpoint> List()
    {
        var found = new List<SavedCheckpoint>();
        foreach (var (path, step) in Folders())
        {
            try
            {
                if (found.Count == 0 || found[^1].Manifest.Step != step)
                    found.Add(new SavedCheckpoint(path, ReadManifest(path, step)));
            }
            catch (UserErrorException)
            {
                // Latest is the one that says why.
            }
        }

        found.Reverse();
        return found;
    }

    /// <summary>The checkpoint of the highest step whose files are all there and match their SHA-256.</summary>
    /// <param name="warn">Told of each one that is skipped because it is damaged: which file, and how.</param>
    /// <param name="counts">Pass over others; null for any.</param>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="UserErrorException">The folder cannot be read.</exception>
    public SavedCheckpoint? Latest(Action<string> warn, Func<CheckpointManifest, bool>? counts = null)
    {
        foreach (var (path, step) in Folders())
        {
            try
            {
                var checkpoint = new SavedCheckpoint(path, ReadManifest(path, step));
                if (counts?.Invoke(checkpoint.Manifest) == false)
                    continue;
                foreach (var file in checkpoint.Manifest.Files)
                    Verify(Path.Combine(path, file.Name), file);
                return checkpoint;
            }
            catch (UserErrorException e)
            {
                warn($"The checkpoint of step {step} is skipped: {e.What}");
            }
        }

        return null;
    }

    /// <summary>Deletes the checkpoints of steps after <paramref name="steps"/>.</summary>
    /// <returns>Their steps, highest first.</returns>
    /// <exception cref="UserErrorException">The folder cannot be read, or one cannot be deleted.</exception>
    public IReadOnlyList<long> DropAfter(long steps)
    {
        var dropped = new List<long>();
        foreach (var (path, step) in Folders().Where(entry => entry.Step > steps))
        {
            TryDelete(path);
            if (Directory.Exists(path))
                throw new UserErrorException($"The checkpoint {path} cannot be deleted.", "Check that the folder is writable, and run the command again.");
            dropped.Add(step);
        }

        return dropped;
    }

    /// <summary>The checkpoint in a folder, by its manifest; <see cref="Load"/> checks its files.</summary>
    /// <exception cref="UserErrorException">There is none, or its manifest is damaged.</exception>
    public static SavedCheckpoint Open(string path) => StepOf(Path.GetFileName(path)) is >= 0 and var step
        ? new SavedCheckpoint(path, ReadManifest(path, step))
        : throw new UserErrorException($"{path} is no checkpoint.", $"Give a folder called {Prefix} and a number.");

    /// <summary>Reads a checkpoint's vectors and checks them against the manifest's hashes.</summary>
    /// <param name="checkpoint">From <see cref="Latest"/>, <see cref="List"/> or <see cref="Save"/>.</param>
    /// <param name="layout">Names and places.</param>
    /// <param name="parameters">Filled, padding with zeros; undefined after an error.</param>
    /// <param name="firstMoments">Filled alike; empty, together with the second, for the parameters alone.</param>
    /// <param name="secondMoments">Filled alike; empty, together with the first, for the parameters alone.</param>
    /// <exception cref="UserErrorException">A file is missing or damaged, or of a model of another shape: the message names the tensor.</exception>
    public static void Load(
        SavedCheckpoint checkpoint, ParameterLayout layout, Span<float> parameters, Span<float> firstMoments, Span<float> secondMoments)
    {
        RequireLength(layout, parameters.Length, nameof(parameters));
        if (firstMoments.Length + (long)secondMoments.Length > 0)
        {
            RequireLength(layout, firstMoments.Length, nameof(firstMoments));
            RequireLength(layout, secondMoments.Length, nameof(secondMoments));
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var weightsPath = Path.Combine(checkpoint.Path, WeightsFile);
        using (var weights = Safetensors.Open(weightsPath))
        {
            RequireTensors(weights, weightsPath, layout, [""]);
            Read(weights, "", layout, parameters);
        }

        FlatBytes.Append(hash, parameters);
        RequireHash(hash, checkpoint.Manifest.WeightsSha256, weightsPath);
        if (firstMoments.IsEmpty)
            return;

        var optimizerPath = Path.Combine(checkpoint.Path, OptimizerFile);
        using (var optimizer = Safetensors.Open(optimizerPath))
        {
            RequireTensors(optimizer, optimizerPath, layout, [FirstMoment, SecondMoment]);
            Read(optimizer, FirstMoment, layout, firstMoments);
            Read(optimizer, SecondMoment, layout, secondMoments);
        }

        FlatBytes.Append(hash, firstMoments);
        FlatBytes.Append(hash, secondMoments);
        RequireHash(hash, checkpoint.Manifest.StateSha256, optimizerPath);
    }

    /// <summary>Copies a checkpoint without its optimizer's state: enough to <see cref="Load"/> parameters alone.</summary>
    /// <param name="checkpoint">Of any store.</param>
    /// <param name="folder">Holds checkpoints, as of a store; made where it is missing.</param>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static void CopyWeights(SavedCheckpoint checkpoint, string folder)
    {
        var path = Path.Combine(folder, Path.GetFileName(checkpoint.Path));
        Directory.CreateDirectory(path);
        foreach (var file in (string[])[WeightsFile, ManifestFile])
            File.Copy(Path.Combine(checkpoint.Path, file), Path.Combine(path, file), overwrite: true);
    }

    private static CheckpointManifest Write(
        string aside,
        CheckpointState state,
        ParameterLayout layout,
        ReadOnlySpan<float> parameters,
        ReadOnlySpan<float> firstMoments,
        ReadOnlySpan<float> secondMoments)
    {
        var metadata = new Dictionary<string, string>
        {
            // Tells other libraries' loaders that matrices are [out, in].
            ["format"] = "pt",
            ["stage"] = state.Stage,
            ["step"] = state.Step.ToString(CultureInfo.InvariantCulture),
        };
        // The hash of the weights is the hash of the state on its way.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        CheckpointFile weightsFile, optimizerFile;
        using (var weights = Safetensors.Create(Path.Combine(aside, WeightsFile), Shapes(layout, ""), metadata))
        {
            Append(weights, "", layout, parameters);
            weightsFile = weights.Complete();
        }

        FlatBytes.Append(hash, parameters);
        var weightsSha256 = Hex(hash);
        TensorShape[] moments = [.. Shapes(layout, FirstMoment), .. Shapes(layout, SecondMoment)];
        using (var optimizer = Safetensors.Create(Path.Combine(aside, OptimizerFile), moments, metadata))
        {
            Append(optimizer, FirstMoment, layout, firstMoments);
            Append(optimizer, SecondMoment, layout, secondMoments);
            optimizerFile = optimizer.Complete();
        }

        FlatBytes.Append(hash, firstMoments);
        FlatBytes.Append(hash, secondMoments);
        var manifest = new CheckpointManifest
        {
            Version = CheckpointManifest.CurrentVersion,
            Stage = state.Stage,
            Step = state.Step,
            Tokens = state.Tokens,
            Seconds = state.Seconds,
            RecipeSha256 = state.RecipeSha256,
            WeightsSha256 = weightsSha256,
            StateSha256 = Hex(hash),
            BestValidationLoss = state.BestValidationLoss,
            ValidationsWithoutImprovement = state.ValidationsWithoutImprovement,
            Files = [weightsFile, optimizerFile],
            ManifestSha256 = "",
        }.Sealed();

        using var file = new FileStream(Path.Combine(aside, ManifestFile), FileMode.Create, FileAccess.Write);
        file.Write(Encoding.UTF8.GetBytes(RunJson.Document(manifest) + "\n"));
        file.Flush(flushToDisk: true);
        return manifest;
    }

    private static IReadOnlyList<TensorShape> Shapes(ParameterLayout layout, string prefix) =>
        [.. layout.Parameters.Select(parameter => new TensorShape(prefix + parameter.Name, parameter.Shape))];

    private static void Append(SafetensorsWriter writer, string prefix, ParameterLayout layout, ReadOnlySpan<float> vector)
    {
        foreach (var parameter in layout.Parameters)
            writer.Write(prefix + parameter.Name, vector.Slice((int)parameter.Offset, (int)parameter.Count));
    }

    private static void Read(SafetensorsReader reader, string prefix, ParameterLayout layout, Span<float> vector)
    {
        foreach (var parameter in layout.Parameters)
            reader.Read(prefix + parameter.Name, vector.Slice((int)parameter.Offset, (int)parameter.Count));
        for (var index = 0; index < layout.Parameters.Count; index++)
            vector[Padding(layout, index)].Clear();
    }

    // No folder can be renamed over a full one, so a step that is saved again steps aside first: at every moment one of the two is whole
    // under a name that a reader looks at.
    private static void PutInPlace(string aside, string path)
    {
        var replaced = path + Replaced;
        if (Directory.Exists(path))
            Directory.Move(path, replaced);
        try
        {
            Directory.Move(aside, path);
        }
        catch (Exception) when (Directory.Exists(replaced))
        {
            Directory.Move(replaced, path);
            throw;
        }

        TryDelete(replaced);
    }

    // What crashes of earlier saves left.
    private void ClearRemnants()
    {
        foreach (var path in Directory.GetDirectories(_folder, Prefix + "*"))
        {
            if (path.EndsWith(Writing, StringComparison.Ordinal) || path.EndsWith(Deleting, StringComparison.Ordinal))
            {
                TryDelete(path);
            }
            else if (path.EndsWith(Replaced, StringComparison.Ordinal))
            {
                if (Directory.Exists(path[..^Replaced.Length]))
                    TryDelete(path);
                else
                    Directory.Move(path, path[..^Replaced.Length]);
            }
        }
    }

    // Failing here costs disk space and nothing else, and the next save tries again: no reason to stop a run. The rename comes first so
    // that a half-deleted folder does not pass for a damaged checkpoint.
    private static void TryDelete(string path)
    {
        try
        {
            if (!Directory.Exists(path))
                return;
            var doomed = path;
            if (!path.EndsWith(Writing, StringComparison.Ordinal) && !path.EndsWith(Deleting, StringComparison.Ordinal))
            {
                doomed = path + Deleting;
                Directory.Move(path, doomed);
            }

            Directory.Delete(doomed, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    // Latest step first; where a step is being replaced, the new one first.
    private List<(string Path, long Step)> Folders()
    {
        try
        {
            if (!Directory.Exists(_folder))
                return [];
            return
            [
                .. Directory.GetDirectories(_folder, Prefix + "*")
                    .Select(path => (Path: path, Step: StepOf(Path.GetFileName(path))))
                    .Where(entry => entry.Step >= 0)
                    .OrderByDescending(entry => entry.Step)
                    .ThenBy(entry => entry.Path.Length),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException(
                $"The checkpoints in {_folder} cannot be listed ({e.Message.TrimEnd('.')}).", "Check that the folder may be read.", e);
        }
    }

    private static string FolderName(long step) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D9}");

    private static long StepOf(string name)
    {
        if (name.EndsWith(Replaced, StringComparison.Ordinal))
            name = name[..^Replaced.Length];
        var isNumber = long.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step);
        return isNumber && FolderName(step) == name ? step : -1;
    }

    private static CheckpointManifest ReadManifest(string checkpoint, long step)
    {
        var path = Path.Combine(checkpoint, ManifestFile);
        string json;
        try
        {
            json = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Damaged($"{path} cannot be read ({e.Message.TrimEnd('.')})", e);
        }

        var manifest = RunJson.Parse<CheckpointManifest>(json, path);
        if (manifest.Version != CheckpointManifest.CurrentVersion)
            throw Damaged($"{path} has version {manifest.Version}, {CheckpointManifest.CurrentVersion} can be read");
        if (manifest.Sealed().ManifestSha256 != manifest.ManifestSha256)
            throw Damaged($"{path} does not match its SHA-256");
        if (manifest.Step != step)
            throw Damaged($"{path} is of step {manifest.Step}");
        if (manifest.Files is not [{ Name: WeightsFile }, { Name: OptimizerFile }])
            throw Damaged($"{path} lists other files than {WeightsFile} and {OptimizerFile}");
        return manifest;
    }

    private static void Verify(string path, CheckpointFile expected)
    {
        try
        {
            using var file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            var bytes = RandomAccess.GetLength(file);
            if (bytes != expected.Bytes)
                throw Damaged($"{path} has {bytes} bytes, {expected.Bytes} were written");
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = ArrayPool<byte>.Shared.Rent(FlatBytes.Piece * sizeof(float));
            long offset = 0;
            for (int count; (count = RandomAccess.Read(file, buffer, offset)) > 0; offset += count)
                hash.AppendData(buffer, 0, count);
            ArrayPool<byte>.Shared.Return(buffer);
            RequireHash(hash, expected.Sha256, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Damaged($"{path} cannot be read ({e.Message.TrimEnd('.')})", e);
        }
    }

    private static void RequireTensors(SafetensorsReader reader, string path, ParameterLayout layout, ReadOnlySpan<string> prefixes)
    {
        var expected = new HashSet<string>(StringComparer.Ordinal);
        foreach (var prefix in prefixes)
        {
            foreach (var (name, shape, _) in Shapes(layout, prefix))
            {
                expected.Add(name);
                if (reader.Find(name) is not { } tensor)
                    throw OtherModel($"{path} has no tensor {name}, which the model needs");
                if (!tensor.Shape.SequenceEqual(shape))
                {
                    throw OtherModel(
                        $"{path} has the tensor {name} as [{string.Join(", ", tensor.Shape)}], the model as [{string.Join(", ", shape)}]");
                }
            }
        }

        if (reader.Tensors.FirstOrDefault(tensor => !expected.Contains(tensor.Name)) is { } surplus)
            throw OtherModel($"{path} has a tensor {surplus.Name}, which the model lacks");

        static UserErrorException OtherModel(string what) => new(what + ".", "Give the recipe that the checkpoint was trained with.");
    }

    private static void RequireHash(IncrementalHash hash, string expected, string path)
    {
        if (Hex(hash) != expected)
            throw Damaged($"{path} does not match its SHA-256");
    }

    private static string Hex(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetCurrentHash());

    private static UserErrorException Damaged(string what, Exception? inner = null) =>
        new(what + ".", "It was cut short or changed; restore it, or go on from another checkpoint.", inner);

    private static void RequireVector(ParameterLayout layout, ReadOnlySpan<float> vector, string name)
    {
        RequireLength(layout, vector.Length, name);
        for (var index = 0; index < layout.Parameters.Count; index++)
        {
            // Loading writes +0 there; anything else, -0 included, would give a checkpoint that never matches its hash.
            if (MemoryMarshal.Cast<float, int>(vector[Padding(layout, index)]).ContainsAnyExcept(0))
                throw new ArgumentException($"The padding after {layout.Parameters[index].Name} is not zero.", name);
        }
    }

    private static void RequireLength(ParameterLayout layout, int length, string name)
    {
        if (length != layout.TotalCount)
            throw new ArgumentException($"The layout has {layout.TotalCount} values, the vector {length}.", name);
    }

    // What lies between a parameter's last value and the next parameter.
    private static Range Padding(ParameterLayout layout, int index)
    {
        var parameter = layout.Parameters[index];
        var next = index + 1 < layout.Parameters.Count ? layout.Parameters[index + 1].Offset : layout.TotalCount;
        return (int)(parameter.Offset + parameter.Count)..(int)next;
    }
}
