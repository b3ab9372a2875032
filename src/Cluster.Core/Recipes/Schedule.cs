using Cluster.Core.Randomness;

namespace Cluster.Core.Recipes;

/// <summary>What one step does; a pure function of the recipe.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="Phase">Index of the phase.</param>
/// <param name="LearningRate">Absolute.</param>
/// <param name="MicroBatches">Per lane.</param>
/// <param name="Context">Tokens of one sequence.</param>
/// <param name="Sequences">Sequences of one micro-batch.</param>
/// <param name="FirstSample">Index, among the phase's samples in their shuffled order, of the step's first sequence.</param>
public sealed record ScheduledStep(long Step, int Phase, double LearningRate, int MicroBatches, int Context, int Sequences, long FirstSample);

/// <summary>
/// The recipe's phases laid out over its steps. Step s of a phase takes the samples [C(s), C(s+1)) of that phase, C being the prefix
/// sum of the schedule: a cursor is a number, and a resumed run takes up exactly where it left.
/// </summary>
public sealed class Schedule
{
    private readonly Recipe _recipe;
    private readonly int[] _ends;

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
    }

    /// <summary>Tokens of one micro-batch, in every phase.</summary>
    public int MicroBatchTokens => _recipe.Training.MicroBatch * _recipe.Model.Context;

    /// <summary>Longest sequence of any phase.</summary>
    public int LongestContext => _recipe.Model.Context * _recipe.Phases.Max(p => p.ContextFactor);

    /// <summary>The steps [start, end) of a phase; may be empty in a short run.</summary>
    public (int Start, int End) PhaseSteps(int phase) => (phase == 0 ? 0 : _ends[phase - 1], _ends[phase]);

    /// <summary>The plan of a step.</summary>
    public ScheduledStep this[long step]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(step);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, _recipe.Training.Steps);
            var phase = 0;
            while (step >= _ends[phase])
                phase++;
            var recipe = _recipe.Phases[phase];
            var (start, end) = PhaseSteps(phase);
            long index = step - start, count = end - start;
            // (index + 1) / count: the last step reaches the end's rate and a warm-up's first step is not lost on a rate of 0.
            var progress = (index + 1.0) / count;
            var weight = recipe.Curve == RateCurve.Linear ? progress : (1 - Math.Cos(Math.PI * progress)) / 2;
            var rate = _recipe.Training.LearningRate * (recipe.RateStart + (recipe.RateEnd - recipe.RateStart) * weight);
            return new ScheduledStep(step, phase, rate, MicroBatches(recipe, index, count), _recipe.Model.Context * recipe.ContextFactor,
                _recipe.Training.MicroBatch / recipe.ContextFactor, Before(recipe, index, count) * _recipe.Training.Lanes * (_recipe.Training.MicroBatch / recipe.ContextFactor));
        }
    }

    /// <summary>Sequences that a phase takes in all.</summary>
    public long SamplesOf(int phase)
    {
        var (start, end) = PhaseSteps(phase);
        var recipe = _recipe.Phases[phase];
        return Before(recipe, end - start, end - start) * _recipe.Training.Lanes * (_recipe.Training.MicroBatch / recipe.ContextFactor);
    }

    /// <summary>Tokens that a phase takes in all.</summary>
    public long TokensOf(int phase) => SamplesOf(phase) * _recipe.Model.Context * _recipe.Phases[phase].ContextFactor;

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
}

/// <summary>The order in which a phase takes its samples: a keyed permutation per epoch, each sample once in each.</summary>
public sealed class SampleOrder
{
    private readonly ulong _seed;
    private readonly int _phase;
    private KeyedPermutation _permutation;
    private long _epoch;

    /// <param name="seed">The run's seed.</param>
    /// <param name="phase">Index of the phase; each has its own order.</param>
    /// <param name="samples">Samples that the phase's data holds, at least 1.</param>
    public SampleOrder(ulong seed, int phase, long samples)
    {
        (_seed, _phase) = (seed, phase);
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
        new(new CounterRandom(_seed, RandomPurpose.SampleOrder, ((ulong)_phase << 48) | (ulong)epoch), samples);
}
