// Pre-training steered by hand: back to an earlier step, on with other settings, off into a branch. Enters: a run's folder, which
// nobody works on, a step, a change. Leaves: the folder (or a new one) such that resuming it trains on from the newest checkpoint at or
// before that step, by a recipe that alone reproduces the result. Does not know: how training works.
using System.Runtime.InteropServices;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;
using Cluster.Silo.Training;

namespace Cluster.Silo.Runs;

/// <summary>What steering did.</summary>
/// <param name="Run">Name of the run that goes on from here.</param>
/// <param name="Path">Its folder.</param>
/// <param name="Step">Steps applied where it was steered to.</param>
/// <param name="Checkpoint">Steps of the checkpoint that training takes up; 0 for the initial weights.</param>
/// <param name="Replayed">Steps that are trained again on the way to <paramref name="Step"/>, to the same bits.</param>
/// <param name="Deleted">Steps of pre-training's checkpoints that were deleted, highest first.</param>
/// <param name="Change">What the recipe does differently from there, or null.</param>
/// <param name="Abandoned">Later changes that the recipe no longer has.</param>
/// <param name="RecipeSha256">Of the recipe from now on.</param>
public sealed record SteeringResult(
    string Run, string Path, long Step, long Checkpoint, long Replayed, IReadOnlyList<long> Deleted, RecipeChange? Change,
    IReadOnlyList<RecipeChange> Abandoned, string RecipeSha256);

/// <summary>Steers runs between two trainings.</summary>
/// <param name="time">Dates the journal.</param>
public sealed class RunSteering(TimeProvider time)
{
    /// <summary>Goes back: what came after a step is given up, and perhaps goes otherwise from there.</summary>
    /// <param name="folder">A run that nobody works on.</param>
    /// <param name="step">Steps applied there, 0 to those trained.</param>
    /// <param name="change">From that step on, its <see cref="RecipeChange.FromStep"/> included; null to go on as before.</param>
    /// <param name="fromStart">Whether it may have to train from the initial weights, where no checkpoint is old enough.</param>
    /// <exception cref="UserErrorException">There is no such run or step, somebody works on it, or nothing is old enough to go back to.</exception>
    public SteeringResult Rollback(RunFolder folder, long step, RecipeChange? change, bool fromStart)
    {
        using var held = Hold(folder);
        var recipe = ReadRecipe(folder);
        var trained = Trained(folder, recipe);
        if (step < 0 || step > trained)
            throw new UserErrorException($"STEP is {step}.", $"The run in {folder.Path} has trained {trained} steps: give 0 to {trained}.");
        var steered = Steer(recipe, step, change, out var abandoned);
        var checkpoint = Newest(folder, recipe, step);
        if (checkpoint is null && step > 0 && !fromStart)
        {
            var kept = Store(folder, recipe).List().Where(c => c.Manifest.IsOf(recipe)).Select(c => c.Manifest.Step).ToArray();
            throw new UserErrorException(
                $"No checkpoint of step {step} or an earlier one is kept: {(kept.Length == 0 ? "there is none" : string.Join(", ", kept))}.",
                $"Give a step from {(kept.Length == 0 ? trained : kept[0])} on, or --from-start to train all {step} steps again, to the same bits.");
        }

        Note(folder, new SteeringRecord("rollback", step, time.GetUtcNow(), change, abandoned, RecipeJson.Hash(recipe), RecipeJson.Hash(steered)));
        Write(folder, steered, recipe);
        var deleted = Store(folder, recipe).DropAfter(step);
        Delete(folder.Checkpoints(StageNames.FineTuning));
        Forget(folder, checkpoint?.Manifest.Step ?? 0);
        return Result(folder, step, checkpoint, deleted, change, abandoned, steered);
    }

    /// <summary>Has a run go otherwise from a step on that it has not passed yet.</summary>
    /// <param name="folder">A run that nobody works on.</param>
    /// <param name="change">What, and from which step.</param>
    /// <exception cref="UserErrorException">There is no such run, somebody works on it, or it has trained beyond that step.</exception>
    public SteeringResult Change(RunFolder folder, RecipeChange change)
    {
        using var held = Hold(folder);
        var recipe = ReadRecipe(folder);
        var newest = Store(folder, recipe).List().LastOrDefault(c => c.Manifest.IsOf(recipe));
        if (newest?.Manifest.Step > change.FromStep)
        {
            throw new UserErrorException($"The run in {folder.Path} has a checkpoint of step {newest.Manifest.Step}, beyond step {change.FromStep}.",
                $"Give a later step, go back with `rollback {folder.Name} {change.FromStep}`, or leave with `branch`.");
        }

        var steered = Steer(recipe, change.FromStep, change, out var abandoned);
        Note(folder, new SteeringRecord("change", change.FromStep, time.GetUtcNow(), change, abandoned, RecipeJson.Hash(recipe), RecipeJson.Hash(steered)));
        Write(folder, steered, recipe);
        return Result(folder, change.FromStep, newest, [], change, abandoned, steered);
    }

    /// <summary>Begins a run that shares the first steps of another.</summary>
    /// <param name="folder">A run; it stays as it is, and may be at work.</param>
    /// <param name="to">A folder that does not exist.</param>
    /// <param name="step">Steps shared.</param>
    /// <param name="change">What the branch does differently from that step on.</param>
    /// <exception cref="UserErrorException">There is no such run or step, or something is at <paramref name="to"/>.</exception>
    public SteeringResult Branch(RunFolder folder, RunFolder to, long step, RecipeChange? change)
    {
        var recipe = ReadRecipe(folder);
        var trained = Trained(folder, recipe);
        if (step < 0 || step > trained)
            throw new UserErrorException($"STEP is {step}.", $"The run in {folder.Path} has trained {trained} steps: give 0 to {trained}.");
        if (Directory.Exists(to.Path) || File.Exists(to.Path))
            throw new UserErrorException($"There is something at --out {to.Path} already.", "Give a folder that does not exist.");
        var steered = Steer(recipe, step, change, out var abandoned);
        var checkpoint = Newest(folder, recipe, step);
        try
        {
            foreach (var file in (string[])[folder.Origin, folder.Stages, folder.Tokenizer, folder.CorpusReport, folder.HeldOut, folder.Metrics])
                Share(file, Path.Combine(to.Path, Path.GetRelativePath(folder.Path, file)), copy: true);
            foreach (var file in Directory.Exists(folder.Shards) ? Directory.EnumerateFiles(folder.Shards, "*", SearchOption.AllDirectories) : [])
                Share(file, Path.Combine(to.Path, Path.GetRelativePath(folder.Path, file)), copy: false);
            foreach (var file in checkpoint is null ? [] : Directory.EnumerateFiles(checkpoint.Path))
                Share(file, Path.Combine(to.Path, Path.GetRelativePath(folder.Path, file)), copy: false);
            Forget(to, checkpoint?.Manifest.Step ?? 0);
            Write(to, steered, recipe);
            Note(to, new SteeringRecord("branch", step, time.GetUtcNow(), change, abandoned, RecipeJson.Hash(recipe), RecipeJson.Hash(steered), folder.Path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Delete(to.Path);
            throw new UserErrorException($"The branch cannot be written to {to.Path}: {error.Message}", "Choose a folder that is writable, on a disk with space.", error);
        }

        return Result(to, step, checkpoint, [], change, abandoned, steered);
    }

    private static SteeringResult Result(
        RunFolder folder, long step, SavedCheckpoint? checkpoint, IReadOnlyList<long> deleted, RecipeChange? change,
        IReadOnlyList<RecipeChange> abandoned, Recipe recipe)
    {
        var from = checkpoint?.Manifest.Step ?? 0;
        return new SteeringResult(folder.Name, folder.Path, step, from, step - from, deleted, change, abandoned, RecipeJson.Hash(recipe));
    }

    /// <summary>The recipe without changes that begin at the step or later, and with the new one.</summary>
    private static Recipe Steer(Recipe recipe, long step, RecipeChange? change, out IReadOnlyList<RecipeChange> abandoned)
    {
        abandoned = [.. recipe.Changes.Where(c => c.FromStep >= step)];
        var steered = recipe with { Changes = [.. recipe.Changes.Where(c => c.FromStep < step), .. change is null ? (RecipeChange[])[] : [change]] };
        steered.Validate();
        return steered;
    }

    /// <summary>Steps of pre-training that the folder knows of.</summary>
    private static long Trained(RunFolder folder, Recipe recipe) => Math.Max(
        RunJson.ReadLines<MetricPoint>(folder.Metrics).Where(p => p.Stage == StageNames.Pretraining).Select(p => p.Step).DefaultIfEmpty(0).Max(),
        Store(folder, recipe).List().Where(c => c.Manifest.IsOf(recipe)).Select(c => c.Manifest.Step).DefaultIfEmpty(0).Max());

    private static CheckpointStore Store(RunFolder folder, Recipe recipe) => new(folder.Checkpoints(StageNames.Pretraining), recipe.Training.KeepCheckpoints);

    private static SavedCheckpoint? Newest(RunFolder folder, Recipe recipe, long step) =>
        Store(folder, recipe).Latest(_ => { }, manifest => manifest.Step <= step && manifest.IsOf(recipe));

    private static Recipe ReadRecipe(RunFolder folder) => RecipeJson.Parse(File.ReadAllText(folder.Required().Recipe), folder.Recipe);

    /// <summary>Recipe and plan: the plan was settled, and a steered recipe is as settled as the one before.</summary>
    private static void Write(RunFolder folder, Recipe steered, Recipe before)
    {
        AtomicWrite.AllText(folder.Recipe, RecipeJson.Indented(steered) + "\n");
        var (old, now) = (RecipeJson.Hash(before), RecipeJson.Hash(steered));
        var stages = new StageLog(folder).Done.Select(s => s.Name == StageNames.Plan && s.OutputSha256 == old ? s with { OutputSha256 = now } : s).ToArray();
        if (stages.Length > 0)
            AtomicWrite.AllText(folder.Stages, RunJson.Document(stages) + "\n");
    }

    /// <summary>What the folder says of pre-training after a step and of everything that followed from it.</summary>
    private static void Forget(RunFolder folder, long steps)
    {
        MetricsFile.Rewind(folder, StageNames.Pretraining, steps);
        MetricsFile.Rewind(folder, StageNames.FineTuning, -1);
        var stages = new StageLog(folder).Done.Where(s => s.Name is not (StageNames.Pretraining or StageNames.FineTuning or StageNames.Evaluation)).ToArray();
        if (stages.Length > 0)
            AtomicWrite.AllText(folder.Stages, RunJson.Document(stages) + "\n");
        var samples = RunJson.ReadLines<Sample>(folder.Samples);
        if (samples.Count > 0)
            AtomicWrite.AllText(folder.Samples, string.Concat(samples.Where(s => s.Stage == StageNames.Pretraining && s.Step <= steps).Select(s => RunJson.Line(s) + "\n")));
        foreach (var file in (string[])[folder.Summary, folder.Report, folder.ModelCard])
            File.Delete(file);
    }

    private static void Note(RunFolder folder, SteeringRecord record) => File.AppendAllText(folder.Journal, RunJson.Line(record) + "\n");

    /// <summary>Keeps everybody else out while the folder changes.</summary>
    private static FileStream Hold(RunFolder folder)
    {
        try
        {
            return new FileStream(folder.Required().Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error)
        {
            throw new UserErrorException($"Somebody works on the run in {folder.Path}.",
                $"End it first: Ctrl-C where it runs, or `cancel {folder.Name}` on a cluster.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new UserErrorException($"The run in {folder.Path} cannot be changed: {error.Message}", "Check the folder's permissions.", error);
        }
    }

    /// <summary>Puts a file into a branch. What is never written again, shards and checkpoints, takes no space twice where the file system can link.</summary>
    private static void Share(string from, string to, bool copy)
    {
        if (!File.Exists(from))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        if (copy || !OperatingSystem.IsLinux() || Link(from, to) != 0)
            File.Copy(from, to);
    }

    private static void Delete(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    [DllImport("libc", EntryPoint = "link", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Link(string from, string to);
}
