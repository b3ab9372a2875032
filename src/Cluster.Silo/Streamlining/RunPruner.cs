// Enters: a run and what is to go. Leaves: another run's folder with the pruned model, or the reason why there is none.
// Does not know: which weights matter (Cluster.Model.Pruning).
using System.Globalization;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Inference.Managed;
using Cluster.Model.Pruning;
using Cluster.Model.Training;
using Cluster.Silo.Inference;
using Cluster.Silo.Shards;

namespace Cluster.Silo.Streamlining;

/// <summary>By what units are ranked.</summary>
public enum PruningCriterion
{
    /// <summary>The size of their weights.</summary>
    Magnitude,

    /// <summary>What the loss on calibration text loses with them, to first order.</summary>
    Sensitivity,
}

/// <summary>What to prune, and how.</summary>
/// <param name="Folder">The run's.</param>
/// <param name="Out">The pruned run's folder; nothing may be there.</param>
/// <param name="Heads">Share of attention heads to remove, 0 to below 1.</param>
/// <param name="Neurons">Share of feed-forward neurons to remove, 0 to below 1.</param>
/// <param name="Magnitude">Share of the blocks' weights to set to zero, 0 to below 1.</param>
/// <param name="Scope">Over what the smallest are sought.</param>
/// <param name="Criterion">By what heads and neurons are ranked.</param>
/// <param name="Steps">Steps of training meanwhile, 0 for none: the first half prunes gradually, the other recovers.</param>
/// <param name="BoundPercent">Largest growth of bits per byte, above 0.</param>
/// <param name="Threads">Threads that measure; they change no bit.</param>
public sealed record PruneRequest(
    RunFolder Folder, RunFolder Out, double Heads, double Neurons, double Magnitude, MagnitudeScope Scope, PruningCriterion Criterion, int Steps,
    double BoundPercent, int Threads = 1);

/// <summary>What came of it, also <c>pruning.json</c> in the new folder.</summary>
public sealed record PruneResult
{
    /// <summary>The new run.</summary>
    public required string Path { get; init; }

    /// <summary>SHA-256 of the checkpoint that was pruned.</summary>
    public required string FromSha256 { get; init; }

    /// <summary>SHA-256 of the pruned weights.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>Heads of a layer.</summary>
    public required int HeadsBefore { get; init; }

    /// <inheritdoc cref="HeadsBefore"/>
    public required int Heads { get; init; }

    /// <summary>Neurons of a layer.</summary>
    public required int NeuronsBefore { get; init; }

    /// <inheritdoc cref="NeuronsBefore"/>
    public required int Neurons { get; init; }

    /// <summary>Share of the remaining blocks' weights that are zero, 0–1. They are stored and multiplied like others.</summary>
    public required double ZeroShare { get; init; }

    /// <summary>Steps of recovery training.</summary>
    public required int Steps { get; init; }

    /// <summary>Bytes in fp32.</summary>
    public required long BytesBefore { get; init; }

    /// <inheritdoc cref="BytesBefore"/>
    public required long Bytes { get; init; }

    /// <summary>Decoded alone in fp32, in the same process.</summary>
    public required double TokensPerSecondBefore { get; init; }

    /// <inheritdoc cref="TokensPerSecondBefore"/>
    public required double TokensPerSecond { get; init; }

    /// <summary>On the run's validation text.</summary>
    public required double BitsPerByteBefore { get; init; }

    /// <inheritdoc cref="BitsPerByteBefore"/>
    public required double BitsPerByte { get; init; }

    /// <summary>On the answers of its validation conversations; null where there are none.</summary>
    public double? DialogueBitsPerByteBefore { get; init; }

    /// <inheritdoc cref="DialogueBitsPerByteBefore"/>
    public double? DialogueBitsPerByte { get; init; }

    /// <summary>Growth of bits per byte, the larger one of the two.</summary>
    public required double GrowthPercent { get; init; }
}

/// <summary>
/// Prunes a run's newest checkpoint. Training meanwhile reads the run's own data: text, and for an assistant conversations in the last
/// quarter of the steps, in that order as it was trained. Its rate begins at a fourth of the stage's peak and falls in equal parts; AdamW's
/// moments start anew. A function of the checkpoint, the data and the request alone.
/// </summary>
public sealed class RunPruner
{
    private const double RateShare = 0.25, WarmUp = 0.05, DialogueShare = 0.25;
    private const int CalibrationBatches = 16;
    private readonly PruneRequest _request;
    private readonly Action<string> _say;
    private readonly CancellationToken _cancellation;
    private readonly RunSource _source;
    private readonly SavedCheckpoint _checkpoint;
    private readonly ParameterLayout _layout;

    private RunPruner(PruneRequest request, Action<string> say, CancellationToken cancellation)
    {
        (_request, _say, _cancellation) = (request, say, cancellation);
        _source = RunSource.Open(request.Folder);
        _checkpoint = _source.Latest(say);
        _layout = new ParameterLayout(_source.Recipe.Model);
    }

    private Recipe Recipe => _source.Recipe;

    private bool IsAssistant => _checkpoint.Manifest.Stage == StageNames.FineTuning;

    /// <summary>Does all of it.</summary>
    /// <param name="request">What, and how.</param>
    /// <param name="say">Told what goes on, a line each.</param>
    /// <param name="cancellation">Ends the work; nothing is written.</param>
    /// <exception cref="UserErrorException">Something asked for is impossible, or the loss grew beyond the bound: nothing is written.</exception>
    public static PruneResult Run(PruneRequest request, Action<string> say, CancellationToken cancellation)
    {
        Check(request);
        return new RunPruner(request, say, cancellation).Run();
    }

    private PruneResult Run()
    {
        var parameters = new float[_layout.TotalCount];
        CheckpointStore.Load(_checkpoint, _layout, parameters, [], []);
        var (stayHeads, stayNeurons) = StructuredPruning.Stay(_layout.Shape, _request.Heads, _request.Neurons);
        if (_request.Magnitude == 0 && (stayHeads, stayNeurons) == (_layout.Shape.KvHeads, _layout.Shape.FeedForward))
        {
            throw new UserErrorException(FormattableString.Invariant(
                $"Nothing is to go: of {_layout.Shape.KvHeads} heads (with their keys and values) and {_layout.Shape.FeedForward} neurons a layer all would stay."),
                "Give a larger --heads, --neurons or --magnitude; heads go whole, and neurons in steps of 16.");
        }

        var text = HeldOutText.Open(_request.Folder, Recipe, _source.Tokenizer, _checkpoint.Manifest.Stage);
        var pruned = parameters.ToArray();
        var (mask, kept) = Prune(pruned, stayHeads, stayNeurons);
        mask.Apply(pruned);
        var shape = StructuredPruning.Shape(_layout.Shape, stayHeads, stayNeurons);
        var layout = new ParameterLayout(shape);
        var vector = StructuredPruning.Compact(_layout, pruned, kept, layout);

        _say("measuring both models");
        using var before = new ManagedDecoder(_layout, parameters, DecodePrecision.Fp32, threads: _request.Threads);
        using var after = new ManagedDecoder(layout, vector, DecodePrecision.Fp32, threads: _request.Threads);
        var was = ModelQuality.Of(before, text, _cancellation);
        var now = ModelQuality.Of(after, text, _cancellation);
        var growth = now.GrowthFrom(was);
        if (growth > _request.BoundPercent)
        {
            throw new UserErrorException(FormattableString.Invariant(
                $"The pruned model needs {growth:0.0} % more bits per byte ({was.BitsPerByte:0.000} before, {now.BitsPerByte:0.000} after); the bound is {_request.BoundPercent} %."),
                "Nothing was written. Remove less, train it longer meanwhile (--steps), or give a larger --bound.");
        }

        var speed = DecodeSpeed.Compare([before, after], _cancellation);
        PruneResult Result(string weights) => new()
        {
            Path = _request.Out.Path,
            FromSha256 = _checkpoint.Manifest.WeightsSha256,
            WeightsSha256 = weights,
            HeadsBefore = _layout.Shape.Heads,
            Heads = shape.Heads,
            NeuronsBefore = _layout.Shape.FeedForward,
            Neurons = shape.FeedForward,
            ZeroShare = Zeros(layout, vector),
            Steps = _request.Steps,
            BytesBefore = _layout.ParameterCount * sizeof(float),
            Bytes = layout.ParameterCount * sizeof(float),
            TokensPerSecondBefore = Math.Round(speed[0], 1),
            TokensPerSecond = Math.Round(speed[1], 1),
            BitsPerByteBefore = was.BitsPerByte,
            BitsPerByte = now.BitsPerByte,
            DialogueBitsPerByteBefore = was.DialogueBitsPerByte,
            DialogueBitsPerByte = now.DialogueBitsPerByte,
            GrowthPercent = growth,
        };
        return Write(layout, vector, Result);
    }

    /// <summary>Prunes at once, or gradually while training goes on. The vector is trained in place.</summary>
    private (PruningMask Mask, KeptUnits Kept) Prune(float[] parameters, int heads, int neurons)
    {
        if (_request.Steps == 0 && (_request.Criterion == PruningCriterion.Magnitude || _request.Heads + _request.Neurons == 0))
            return At(parameters, null, 1, heads, neurons);
        var dialogueSteps = IsAssistant ? (int)(_request.Steps * DialogueShare) : 0;
        var schedule = new PruningSchedule(1, _request.Steps);
        (PruningMask, KeptUnits)? last = null;
        var (first, second) = (new float[parameters.Length], new float[parameters.Length]);
        Train(StageNames.Pretraining, 0, _request.Steps - dialogueSteps);
        if (dialogueSteps > 0)
            Train(StageNames.FineTuning, _request.Steps - dialogueSteps, _request.Steps);
        return last!.Value;

        void Train(string stage, int from, int to)
        {
            using var data = new StageData(_request.Folder, Recipe, stage);
            var outlines = StageSchedule.Of(Recipe, stage);
            using var engine = new TrainingEngine(EngineOptions.Of(Recipe, outlines.MicroBatchTokens), Recipe.Seed);
            parameters.CopyTo(engine.Parameters);
            first.CopyTo(engine.FirstMoments);
            second.CopyTo(engine.SecondMoments);
            engine.ParametersChanged();
            var gradient = new float[engine.Length];
            var peak = RateShare * (stage == StageNames.FineTuning ? Recipe.FineTuning.LearningRate : Recipe.Training.LearningRate);
            for (var step = from; step <= to; step++)
            {
                _cancellation.ThrowIfCancellationRequested();
                // At a step's beginning; a ramp of no steps is one event.
                if (stage == StageNames.Pretraining && schedule.PrunesAt(step))
                {
                    var sensitivity = _request.Criterion == PruningCriterion.Sensitivity && _request.Heads + _request.Neurons > 0 ? Sensitivity(engine, data.Source, gradient) : null;
                    last = At(engine.Parameters, sensitivity, schedule[step], heads, neurons);
                    Hold(engine, last.Value.Item1);
                    _say(FormattableString.Invariant($"step {step}: {100 * schedule[step]:0} % of what is to go is gone"));
                }

                if (step == to)
                    break;
                var of = step % outlines.Steps;
                var plan = data.Source.Plan(of);
                var add = false;
                for (var lane = 0; lane < Recipe.Training.Lanes; lane++)
                {
                    foreach (var batch in data.Source.Lane(of, lane))
                    {
                        engine.Gradient(batch, 1.0 / plan.Tokens, gradient, add);
                        add = true;
                    }
                }

                var rate = peak * Math.Min(1, (step + 1) / (WarmUp * _request.Steps)) * (1 - (double)step / _request.Steps);
                engine.Apply(gradient, TrainingEngine.Norm(gradient), rate, step + 1);
                if (last is { Item1: var mask })
                    Hold(engine, mask);
            }

            engine.Parameters.CopyTo(parameters);
            engine.FirstMoments.CopyTo(first);
            engine.SecondMoments.CopyTo(second);
        }
    }

    /// <summary>What is gone when a share of what is to go is gone. Units that went before are the least important ones now, for their weights are zero.</summary>
    private (PruningMask Mask, KeptUnits Kept) At(ReadOnlySpan<float> parameters, UnitImportance? sensitivity, double share, int heads, int neurons)
    {
        int stayHeads = Between(_layout.Shape.KvHeads, heads), stayNeurons = Between(_layout.Shape.FeedForward, neurons);
        var kept = StructuredPruning.Choose(sensitivity ?? StructuredPruning.Magnitude(_layout, parameters), stayHeads, stayNeurons);
        var units = StructuredPruning.Mask(_layout, kept);
        if (_request.Magnitude == 0)
            return (units, kept);
        return (units.With(MagnitudePruning.Mask(_layout, parameters, _request.Magnitude * share, _request.Scope)), kept);

        int Between(int all, int last) => all - (int)Math.Floor((all - last) * share + 1e-9);
    }

    /// <summary>Over the first batches of training.</summary>
    private UnitImportance Sensitivity(TrainingEngine engine, IStepSource source, float[] gradient)
    {
        var importance = StructuredPruning.Zero(_layout.Shape);
        var batches = Enumerable.Range(0, CalibrationBatches).SelectMany(step =>
            Enumerable.Range(0, Recipe.Training.Lanes).SelectMany(lane => source.Lane(step, lane))).Take(CalibrationBatches);
        foreach (var batch in batches)
        {
            _cancellation.ThrowIfCancellationRequested();
            engine.Gradient(batch, 1.0 / Math.Max(1, batch.Mask.Count(m => m != 0)), gradient, add: false);
            StructuredPruning.AddSensitivity(_layout, engine.Parameters, gradient, importance);
        }

        return importance;
    }

    private static void Hold(TrainingEngine engine, PruningMask mask)
    {
        mask.Apply(engine.Parameters);
        mask.Apply(engine.FirstMoments);
        mask.Apply(engine.SecondMoments);
        engine.ParametersChanged();
    }

    private static double Zeros(ParameterLayout layout, ReadOnlySpan<float> vector)
    {
        long zeros = 0;
        foreach (var p in layout.Parameters.Where(p => p.IsMatrix && p.Name.StartsWith("blocks.", StringComparison.Ordinal)))
            zeros += vector.Slice((int)p.Offset, (int)p.Count).Count(0f);
        return (double)zeros / MagnitudePruning.Prunable(layout);
    }

    /// <summary>A run's folder with all that generating, serving, quantising and measuring need.</summary>
    private PruneResult Write(ParameterLayout layout, float[] vector, Func<string, PruneResult> result)
    {
        var recipe = Recipe with { Model = layout.Shape };
        PruneResult? written = null;
        try
        {
            AtomicFolder.Write(_request.Out.Path, aside =>
            {
                var (to, from) = (new RunFolder(aside), _request.Folder);
                File.WriteAllText(to.Recipe, RecipeJson.Indented(recipe) + "\n");
                File.Copy(from.Tokenizer, to.Tokenizer);
                if (File.Exists(from.HeldOut))
                    File.Copy(from.HeldOut, to.HeldOut);
                foreach (var dataset in ((string[])[Datasets.Validation, Datasets.DialoguesValidation]).Where(d => Directory.Exists(from.Dataset(d))))
                {
                    Directory.CreateDirectory(to.Dataset(dataset));
                    foreach (var file in Directory.GetFiles(from.Dataset(dataset)))
                        File.Copy(file, Path.Combine(to.Dataset(dataset), Path.GetFileName(file)));
                }

                var m = _checkpoint.Manifest;
                var moments = new float[layout.TotalCount];
                var saved = new CheckpointStore(to.Checkpoints(m.Stage), recipe.Training.KeepCheckpoints).Save(
                    new CheckpointState(m.Stage, m.Step + _request.Steps, m.Tokens, m.Seconds, RecipeJson.HashAt(recipe, m.Stage, m.Step + _request.Steps), null, 0), layout, vector, moments, moments);
                written = result(saved.Manifest.WeightsSha256);
                File.WriteAllText(Path.Combine(aside, "pruning.json"), RunJson.Document(written) + "\n");
            });
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The pruned run {_request.Out.Path} cannot be written: {error.Message}", "Choose a folder that is writable.", error);
        }

        return written!;
    }

    private static void Check(PruneRequest request)
    {
        foreach (var (option, share) in ((string, double)[])[("--heads", request.Heads), ("--neurons", request.Neurons), ("--magnitude", request.Magnitude)])
        {
            if (!(share is >= 0 and < 1))
                throw new UserErrorException(string.Create(CultureInfo.InvariantCulture, $"{option} is {share}."), "Give a share from 0 to below 1.");
        }

        if (request.Steps is < 0 or > 10_000_000)
            throw new UserErrorException($"--steps is {request.Steps}.", "Give a whole number from 0 to 10,000,000.");
        if (!(request.BoundPercent > 0 && request.BoundPercent <= 10_000))
            throw new UserErrorException(FormattableString.Invariant($"--bound is {request.BoundPercent} %."), "Give more than 0 and at most 10000 per cent.");
        if (Directory.Exists(request.Out.Path) || File.Exists(request.Out.Path))
            throw new UserErrorException($"{request.Out.Path} is there already.", "Give another --out.");
    }

    /// <summary>The run's own training data of a stage.</summary>
    private sealed class StageData : IDisposable
    {
        private readonly List<ShardReader> _readers = [];

        public StageData(RunFolder folder, Recipe recipe, string stage)
        {
            Source = stage == StageNames.Pretraining
                ? new PretrainingStepSource(recipe, data => Open(folder, data == PhaseData.Best ? Datasets.TrainBest : Datasets.Train), Open(folder, Datasets.Validation))
                : new DialogueStepSource(recipe, Open(folder, Datasets.Dialogues), Open(folder, Datasets.DialoguesValidation));
        }

        public IStepSource Source { get; }

        public void Dispose()
        {
            foreach (var reader in _readers)
                reader.Dispose();
        }

        private ShardReader Open(RunFolder folder, string dataset)
        {
            if (!Directory.Exists(folder.Dataset(dataset)))
                throw new UserErrorException($"The run in {folder.Path} has no shards of {dataset} to train on.", "Give a whole run, or --steps 0 and --by magnitude.");
            var reader = ShardReader.Open(folder.Dataset(dataset));
            _readers.Add(reader);
            return reader;
        }
    }
}
