using Cluster.Core.Randomness;

namespace Cluster.Core.Recipes;

/// <summary>What one step does; a pure function of the recipe.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="Phase">Index of the phase.</param>
/// <param name="Stretch">Index of the stretch, whose samples it takes.</param>
/// <param name="LearningRate">Absolute.</param>
/// <param name="MicroBatches">Per lane.</param>
/// <param name="Context">Tokens of one sequence.</param>
/// <param name="Sequences">Sequences of one micro-batch.</param>
/// <param name="FirstSample">Index, among the stretch's samples in their shuffled order, of the step's first sequence.</param>
public sealed record ScheduledStep(
    long Step, int Phase, int Stretch, double LearningRate, int MicroBatches, int Context, int Sequences, long FirstSample);

/// <summary>Steps of one phase that read one kind of data in one order: the whole phase, unless a change of data cuts it.</summary>
/// <param name="Phase">Index of the phase.</param>
/// <param name="Order">Keys the order of samples; a phase's own index where it is not cut.</param>
/// <param name="Data">What it reads.</param>
public sealed record ScheduleStretch(int Phase, int Order, PhaseData Data);

/// <summary>
/// The recipe's phases and changes laid out over its steps. Step s of a stretch takes the samples [C(s), C(s+1)) of that stretch, C being
/// the prefix sum of the schedule: a cursor is a number, and a resumed run takes up exactly where it left.
/// </summary>
public sealed class Schedule
{
    /// <summary>Orders of a phase lie so far apart: more than there are phases, fine-tuning included.</summary>
    private const int OrderStride = 32;

    private readonly Recipe _recipe;
    private readonly int[] _ends;
    private readonly List<Piece> _pieces = [];
    private readonly List<ScheduleStretch> _stretches = [];

    /// <param name="recipe">A valid recipe.</param>
    public Schedule(Recipe recipe)
    {
        _recipe = recipe;
        var steps = recipe.Training.Steps;
        _ends = new int[recipe.Phases.Count];
        double sum = 0;
        for (var i = 0; i < _ends.Length; i++)
        {
            sum += recipe.Phases[i].Fraction;
            _ends[i] = i == _ends.Length - 1 ? steps : (int)Math.Round(sum * steps, MidpointRounding.AwayFromZero);
        }

        for (var phase = 0; phase < _ends.Length; phase++)
            Cut(phase);
    }

    /// <summary>Tokens of one micro-batch, in every phase.</summary>
    public int MicroBatchTokens => _recipe.Training.MicroBatch * _recipe.Model.Context;

    /// <summary>Longest sequence of any phase.</summary>
    public int LongestContext => _recipe.Model.Context * _recipe.Phases.Max(p => p.ContextFactor);

    /// <summary>In the order of their steps; at least one for each phase.</summary>
    public IReadOnlyList<ScheduleStretch> Stretches => _stretches;

    /// <summary>The steps [start, end) of a phase; may be empty in a short run.</summary>
    public (int Start, int End) PhaseSteps(int phase) => (phase == 0 ? 0 : _ends[phase - 1], _ends[phase]);

    /// <summary>The plan of a step.</summary>
    public ScheduledStep this[long step]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(step);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, _recipe.Training.Steps);
            var piece = _pieces.Find(p => step < p.End)!;
            var phase = _recipe.Phases[piece.Phase];
            var (start, end) = PhaseSteps(piece.Phase);
            long index = step - start, count = end - start;
            // (index + 1) / count: the last step reaches the end's rate and a warm-up's first step is not lost on a rate of 0.
            var progress = (index + 1.0) / count;
            var weight = phase.Curve == RateCurve.Linear ? progress : (1 - Math.Cos(Math.PI * progress)) / 2;
            var rate = piece.Peak * (phase.RateStart + (phase.RateEnd - phase.RateStart) * weight);
            return new ScheduledStep(step, piece.Phase, piece.Stretch, rate, piece.MicroBatches ?? MicroBatches(phase, index, count),
                _recipe.Model.Context * phase.ContextFactor, _recipe.Training.MicroBatch / phase.ContextFactor,
                Samples(piece.Phase, piece.Before + Between(piece, step)));
        }
    }

    /// <summary>Sequences that a phase takes in all.</summary>
    public long SamplesOf(int phase) => Samples(phase, _pieces.Where(p => p.Phase == phase).Sum(p => Between(p, p.End)));

    /// <summary>Tokens that a phase takes in all.</summary>
    public long TokensOf(int phase) => SamplesOf(phase) * _recipe.Model.Context * _recipe.Phases[phase].ContextFactor;

    /// <summary>Tokens of the first <paramref name="steps"/> steps.</summary>
    public long TokensUntil(long steps) =>
        _pieces.Where(p => p.Start < steps).Sum(p => Between(p, Math.Min(steps, p.End))) * MicroBatchTokens * _recipe.Training.Lanes;

    /// <summary>Cuts a phase where changes begin.</summary>
    private void Cut(int phase)
    {
        var (start, end) = PhaseSteps(phase);
        var own = _recipe.Phases[phase].Data;
        var first = _stretches.Count;
        _stretches.Add(new ScheduleStretch(phase, phase, DataAt(start) ?? own));
        int[] bounds = [start, .. _recipe.Changes.Select(c => (int)c.FromStep).Where(s => s > start && s < end), end];
        long before = 0;
        for (var i = 0; i + 1 < bounds.Length && start < end; i++)
        {
            var data = DataAt(bounds[i]) ?? own;
            if (data != _stretches[^1].Data)
            {
                _stretches.Add(new ScheduleStretch(phase, phase + OrderStride * (_stretches.Count - first), data));
                before = 0;
            }

            var piece = new Piece(bounds[i], bounds[i + 1], phase, _stretches.Count - 1,
                Last(bounds[i], c => c.LearningRate) ?? _recipe.Training.LearningRate, Last(bounds[i], c => c.MicroBatches), before);
            _pieces.Add(piece);
            before += Between(piece, piece.End);
        }

        PhaseData? DataAt(int step) => Last(step, c => c.Data);
    }

    private T? Last<T>(int step, Func<RecipeChange, T?> field)
        where T : struct => _recipe.Changes.Where(c => c.FromStep <= step).Select(field).LastOrDefault(value => value is not null);

    private long Samples(int phase, long microBatches) =>
        microBatches * _recipe.Training.Lanes * (_recipe.Training.MicroBatch / _recipe.Phases[phase].ContextFactor);

    /// <summary>Micro-batches per lane from a piece's start to a step of it.</summary>
    private long Between(Piece piece, long step)
    {
        if (piece.MicroBatches is { } constant)
            return constant * (step - piece.Start);
        var phase = _recipe.Phases[piece.Phase];
        var (start, end) = PhaseSteps(piece.Phase);
        return Before(phase, step - start, end - start) - Before(phase, piece.Start - start, end - start);
    }

    private static int MicroBatches(PhaseRecipe phase, long index, long count)
    {
        var levels = Math.Abs(phase.MicroBatchesEnd - phase.MicroBatchesStart) + 1;
        return phase.MicroBatchesStart + Math.Sign(phase.MicroBatchesEnd - phase.MicroBatchesStart) * (int)(index * levels / count);
    }

    /// <summary>Micro-batches per lane of the phase's first <paramref name="index"/> steps: C(s) without its constant factors.</summary>
    private static long Before(PhaseRecipe phase, long index, long count)
    {
        long levels = Math.Abs(phase.MicroBatchesEnd - phase.MicroBatchesStart) + 1, sum = 0;
        for (long level = 0; level < levels; level++)
        {
            // The steps of a level are those with index · levels / count = level.
            long from = (level * count + levels - 1) / levels, to = ((level + 1) * count + levels - 1) / levels;
            sum += Math.Max(0, Math.Min(to, index) - from) * (phase.MicroBatchesStart + Math.Sign(phase.MicroBatchesEnd - phase.MicroBatchesStart) * level);
        }

        return sum;
    }

    /// <summary>Steps [start, end) of one phase between two changes.</summary>
    /// <param name="Start">First step.</param>
    /// <param name="End">Step after the last.</param>
    /// <param name="Phase">Index of the phase.</param>
    /// <param name="Stretch">Index of the stretch.</param>
    /// <param name="Peak">Peak learning rate.</param>
    /// <param name="MicroBatches">Per lane and step, or null for the phase's own.</param>
    /// <param name="Before">Micro-batches per lane of the stretch's earlier pieces.</param>
    private sealed record Piece(int Start, int End, int Phase, int Stretch, double Peak, int? MicroBatches, long Before);
}

/// <summary>The order in which a stretch takes its samples: a keyed permutation per epoch, each sample once in each.</summary>
public sealed class SampleOrder
{
    private readonly ulong _seed;
    private readonly int _order;
    private KeyedPermutation _permutation;
    private long _epoch;

    /// <param name="seed">The run's seed.</param>
    /// <param name="order"><see cref="ScheduleStretch.Order"/>, 0–65,535.</param>
    /// <param name="samples">Samples that the data holds, at least 1.</param>
    public SampleOrder(ulong seed, int order, long samples)
    {
        (_seed, _order) = (seed, order);
        _permutation = Permutation(0, samples);
    }

    /// <summary>The sample at place <paramref name="index"/> of the endless order.</summary>
    public long this[long index]
    {
        get
        {
            var (epoch, place) = Math.DivRem(index, _permutation.Count);
            if (epoch != _epoch)
                (_permutation, _epoch) = (Permutation(epoch, _permutation.Count), epoch);
            return _permutation[place];
        }
    }

    private KeyedPermutation Permutation(long epoch, long samples) =>
        new(new CounterRandom(_seed, RandomPurpose.SampleOrder, ((ulong)_order << 48) | (ulong)epoch), samples);
}
