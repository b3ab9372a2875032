// Which token comes next. Enters: logits, the tokens so far, options, request and position. Leaves: an id. A pure function: random
// numbers are addressed by (seed, request, position), so no state is kept and a reply can be continued anywhere.
// Does not know: models, text, when a reply ends.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Sampling;

/// <summary>A token that was chosen.</summary>
/// <param name="Id">Its id.</param>
/// <param name="LogProbability">
/// Natural logarithm of its probability under the model itself: before what is not allowed is ruled out, and before penalties, bias,
/// temperature, min-p, top-k and top-p.
/// </param>
/// <param name="Top">The most probable tokens under the model itself, the first one first; null unless asked for.</param>
public readonly record struct SampledToken(int Id, float LogProbability, IReadOnlyList<TokenLogProbability>? Top = null);

/// <summary>A token that might have been chosen.</summary>
/// <param name="Id">Its id.</param>
/// <param name="LogProbability">As in <see cref="SampledToken"/>.</param>
public readonly record struct TokenLogProbability(int Id, float LogProbability);

/// <summary>
/// Chooses tokens: what is not allowed is ruled out, then penalties (repetition, then frequency and presence), then bias, then temperature,
/// then min-p and top-k, then top-p, then one draw by inversion of the cumulative distribution in order of ids. "More probable" is the total order by (penalised logit descending, id ascending), so ties have one
/// outcome. Holds buffers only: one thread at a time, and no call leaves a trace in the next.
/// </summary>
public sealed unsafe class Sampler : IDisposable
{
    private const int Lanes = 16;

    // Weights below e^−87 are 0; a rank is a 16th of a nat, so that a rank of a flat distribution over a large vocabulary is still few tokens.
    private const float LeastExponent = -87f, RanksPerNat = 16f;
    private const int Ranks = 88 * (int)RanksPerNat;

    private readonly int _vocabulary, _padded;
    private readonly float* _logits, _weights;
    private readonly double[] _blockSums, _rankSums = new double[Ranks];
    private readonly int[] _candidates;
    private readonly int[] _counts;
    private bool _disposed;

    /// <param name="vocabulary">Number of ids.</param>
    public Sampler(int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        _vocabulary = vocabulary;
        _padded = (vocabulary + Lanes - 1) / Lanes * Lanes;
        _logits = (float*)NativeMemory.AlignedAlloc((nuint)_padded * 2 * sizeof(float), 64);
        _weights = _logits + _padded;
        _blockSums = new double[_padded / Lanes];
        _candidates = new int[vocabulary];
        _counts = new int[vocabulary];
    }

    /// <summary>The next token.</summary>
    /// <param name="logits">One for each id; −∞ forbids a token.</param>
    /// <param name="history">The ids of prompt and reply so far, which the repetition penalty counts as seen.</param>
    /// <param name="options">Valid options.</param>
    /// <param name="request">Which stream of random numbers: replies with different numbers are independent.</param>
    /// <param name="position">Where in the stream: the place of the new token in its sequence.</param>
    /// <param name="promptLength">How many of the history's ids are the prompt's: frequency and presence penalties count the others.</param>
    /// <param name="allowed">One bit for each id, the lowest of the first word for id 0: those that may be drawn; empty for all.</param>
    /// <exception cref="UserErrorException">The logits hold NaN or +∞, or only −∞: the model's weights are damaged or have diverged. Or
    /// they are −∞ for all that is allowed.</exception>
    public SampledToken Choose(ReadOnlySpan<float> logits, ReadOnlySpan<int> history, GenerationOptions options, ulong request, long position,
        int promptLength = 0, ReadOnlySpan<ulong> allowed = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (logits.Length != _vocabulary)
            throw new ArgumentException($"{logits.Length} logits for {_vocabulary} ids", nameof(logits));
        logits.CopyTo(new Span<float>(_logits, _vocabulary));
        new Span<float>(_logits + _vocabulary, _padded - _vocabulary).Fill(float.NegativeInfinity);
        var top = Top();
        var logSumExp = _logits[top] + Math.Log(Weigh(_logits[top], 1));
        if (!double.IsFinite(logSumExp))
            throw new UserErrorException("The model's logits are not numbers.", "Its weights are damaged or training has diverged: load an earlier checkpoint.");

        var alternatives = options.TopLogProbabilities > 0 ? Alternatives(options.TopLogProbabilities, logSumExp) : null;
        var restricted = !allowed.IsEmpty;
        if (restricted)
            Restrict(allowed);
        var changed = Change(history, history[promptLength..], options) || restricted;
        if (changed)
            top = Top();
        if (restricted && float.IsNegativeInfinity(_logits[top]))
            throw new UserErrorException("The model gives no token that response_format allows a probability.", "Ask without the format.");

        var id = top;
        if (options.Temperature != 0)
        {
            // The weights at hand are those of the model itself.
            if (changed || options.Temperature != 1)
                Weigh(_logits[top], (float)options.Temperature);
            id = Draw(top, options, new CounterRandom(options.Seed, RandomPurpose.TokenSampling, request).Double((ulong)position));
        }

        return new SampledToken(id, (float)(logits[id] - logSumExp), alternatives);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
            NativeMemory.AlignedFree(_logits);
        _disposed = true;
    }

    /// <summary>The lowest id among those of the largest logit.</summary>
    private int Top()
    {
        var best = Vector512.Create(float.NegativeInfinity);
        for (var i = 0; i < _padded; i += Lanes)
            best = Vector512.MaxNative(best, Vector512.Load(_logits + i));
        var max = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++)
            max = MathF.Max(max, best[lane]);
        return Math.Max(0, new ReadOnlySpan<float>(_logits, _vocabulary).IndexOf(max));
    }

    /// <summary>
    /// weights = exp((logit − max) / temperature), exactly 0 where that is below e^−87, and the sums of 16 at a time; returns the sum of all.
    /// </summary>
    private double Weigh(float max, float temperature)
    {
        Vector512<float> offset = Vector512.Create(max), divisor = Vector512.Create(temperature), least = Vector512.Create(LeastExponent);
        double sum = 0;
        for (var i = 0; i < _padded; i += Lanes)
        {
            var x = (Vector512.Load(_logits + i) - offset) / divisor;
            var weight = Vector512.ConditionalSelect(Vector512.LessThan(x, least), Vector512<float>.Zero, VectorMath.Exp(x));
            weight.Store(_weights + i);
            sum += _blockSums[i / Lanes] = Vector512.Sum(weight);
        }

        return sum;
    }

    /// <summary>−∞ for what is not allowed.</summary>
    private void Restrict(ReadOnlySpan<ulong> allowed)
    {
        if (allowed.Length != (_vocabulary + 63) / 64)
            throw new ArgumentException($"{allowed.Length} words of 64 bits for {_vocabulary} ids", nameof(allowed));
        for (var id = 0; id < _vocabulary; id++)
        {
            if ((allowed[id >> 6] >> id & 1) == 0)
                _logits[id] = float.NegativeInfinity;
        }
    }

    /// <summary>Penalties and bias; returns whether there were any.</summary>
    private bool Change(ReadOnlySpan<int> history, ReadOnlySpan<int> reply, GenerationOptions options)
    {
        var repetition = (float)options.RepetitionPenalty;
        var (repeats, counts) = (repetition != 1, options.FrequencyPenalty != 0 || options.PresencePenalty != 0);
        if (repeats)
        {
            Count(history);
            foreach (var id in history)
            {
                if (Counted(id) > 0)
                    _logits[id] = _logits[id] > 0 ? _logits[id] / repetition : _logits[id] * repetition;
            }
        }

        if (counts)
        {
            Count(reply);
            foreach (var id in reply)
            {
                if (Counted(id) is var count and > 0)
                    _logits[id] -= (float)(count * options.FrequencyPenalty + options.PresencePenalty);
            }
        }

        if (options.LogitBias.Count > 0)
        {
            foreach (var (id, bias) in options.LogitBias)
                _logits[id] += (float)bias;
        }

        return repeats || counts || options.LogitBias.Count > 0;
    }

    private void Count(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
            _counts[id]++;
    }

    /// <summary>How often an id was counted when first asked; 0 from then on, so that a walk over the ids meets each once and leaves no trace.</summary>
    private int Counted(int id)
    {
        var count = _counts[id];
        _counts[id] = 0;
        return count;
    }

    private TokenLogProbability[] Alternatives(int count, double logSumExp)
    {
        var ids = MostProbable(Math.Min(count, _vocabulary));
        ids.Sort(new ByLogit(_logits));
        var alternatives = new TokenLogProbability[ids.Length];
        for (var i = 0; i < ids.Length; i++)
            alternatives[i] = new TokenLogProbability(ids[i], (float)(_logits[ids[i]] - logSumExp));
        return alternatives;
    }

    /// <summary>One draw by the weights, which are there.</summary>
    private int Draw(int top, GenerationOptions options, double uniform)
    {
        var few = options.TopK > 0 && options.TopK < _vocabulary;
        if (!few && options.MinP == 0 && options.TopP >= 1)
            return DrawOfAll(top, uniform);
        var candidates = few ? MostProbable(options.TopK) : All();
        if (options.MinP > 0)
            candidates = AtLeast(candidates, options.MinP * _weights[top]);
        if (options.TopP < 1)
            candidates = Nucleus(candidates, options.TopP, _logits[top], (float)options.Temperature);
        if (few || options.TopP < 1)
            candidates.Sort();

        double kept = 0;
        foreach (var id in candidates)
            kept += _weights[id];
        double threshold = uniform * kept, reached = 0;
        var last = top;
        foreach (var id in candidates)
        {
            if (_weights[id] == 0)
                continue;
            reached += _weights[id];
            last = id;
            if (reached > threshold)
                break;
        }

        return last;
    }

    /// <summary>The same where no token is left out: whole blocks are passed over by their sums.</summary>
    private int DrawOfAll(int top, double uniform)
    {
        double kept = 0;
        foreach (var sum in _blockSums)
            kept += sum;
        double threshold = uniform * kept, reached = 0;
        var last = top;
        for (var block = 0; block < _blockSums.Length; block++)
        {
            var after = reached + _blockSums[block];
            if (after <= threshold && block < _blockSums.Length - 1)
            {
                reached = after;
                continue;
            }

            // A block's sum is rounded: where its last token falls just short of it, that token is the one.
            for (var id = block * Lanes; id < (block + 1) * Lanes; id++)
            {
                if (_weights[id] == 0)
                    continue;
                reached += _weights[id];
                last = id;
                if (reached > threshold)
                    return last;
            }

            if (after > threshold)
                return last;
        }

        return last;
    }

    private Span<int> All()
    {
        for (var id = 0; id < _vocabulary; id++)
            _candidates[id] = id;
        return _candidates;
    }

    /// <summary>The first <paramref name="count"/> ids of the total order, in any order: a heap whose root is the last of them.</summary>
    private Span<int> MostProbable(int count)
    {
        var heap = _candidates.AsSpan(0, count);
        var order = new ByLogit(_logits);
        for (var id = 0; id < count; id++)
        {
            var at = id;
            for (; at > 0 && order.Compare(heap[(at - 1) / 2], id) < 0; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
            heap[at] = id;
        }

        for (var id = count; id < _vocabulary; id++)
        {
            // Most tokens are none of the first: 16 at a time are passed over.
            if (id % Lanes == 0 && !Vector512.GreaterThanAny(Vector512.Load(_logits + id), Vector512.Create(_logits[heap[0]])))
            {
                id += Lanes - 1;
                continue;
            }

            // Of equal logits the lower id, which came first, stays.
            if (!(_logits[id] > _logits[heap[0]]))
                continue;
            var at = 0;
            while (2 * at + 1 < count)
            {
                var child = 2 * at + 1;
                if (child + 1 < count && order.Compare(heap[child], heap[child + 1]) < 0)
                    child++;
                if (order.Compare(heap[child], id) <= 0)
                    break;
                heap[at] = heap[child];
                at = child;
            }

            heap[at] = id;
        }

        return heap;
    }

    /// <summary>
    /// The shortest beginning of the total order over the candidates that holds at least the given share of their weight. Their weight is
    /// added up by ranks, a 16th of a nat each; only the tokens of the rank in which the share is reached are put in order.
    /// </summary>
    private Span<int> Nucleus(Span<int> candidates, double share, float max, float temperature)
    {
        Array.Clear(_rankSums);
        double total = 0;
        var scale = RanksPerNat / temperature;
        foreach (var id in candidates)
        {
            total += _weights[id];
            _rankSums[Rank(id)] += _weights[id];
        }

        double reached = 0;
        var rank = 0;
        while (rank < Ranks - 1 && reached + _rankSums[rank] < share * total)
            reached += _rankSums[rank++];

        // What is before that rank comes first, then the rank itself; the others are dropped.
        var (before, among) = (0, 0);
        for (var i = 0; i < candidates.Length; i++)
        {
            var id = candidates[i];
            var own = Rank(id);
            if (own > rank)
                continue;
            candidates[i] = candidates[before + among];
            if (own == rank)
            {
                candidates[before + among++] = id;
                continue;
            }

            candidates[before + among] = candidates[before];
            candidates[before++] = id;
        }

        var last = candidates.Slice(before, among);
        last.Sort(new ByLogit(_logits));
        for (var i = 0; i < last.Length; i++)
        {
            reached += _weights[last[i]];
            if (reached >= share * total)
                return candidates[..(before + i + 1)];
        }

        return candidates[..(before + among)];

        int Rank(int id) => (int)MathF.Min((max - _logits[id]) * scale, Ranks - 1);
    }

    private Span<int> AtLeast(Span<int> candidates, double weight)
    {
        var count = 0;
        foreach (var id in candidates)
        {
            if (_weights[id] >= weight)
                candidates[count++] = id;
        }

        return candidates[..count];
    }

    private readonly struct ByLogit(float* logits) : IComparer<int>
    {
        public int Compare(int x, int y)
        {
            var byLogit = logits[y].CompareTo(logits[x]);
            return byLogit != 0 ? byLogit : x.CompareTo(y);
        }
    }
}
