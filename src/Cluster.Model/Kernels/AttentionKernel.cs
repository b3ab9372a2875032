// Causal multi-head attention of one sequence, forward and backward, in fp32 over activations of any element type.
// Enters: qkv rows [T, (H + 2·KV)·hd] as the projection wrote them. Leaves: o rows [T, H·hd] and log-sum-exp per query; backwards,
// the gradient of qkv. The score matrix exists only as a strip of a few query rows (the idea of FlashAttention, Dao et al., 2022;
// here a strip of whole rows fits L1, so no online softmax is needed).
// Does not know: batch, layer, projections. Queries go in order, so every sum has one order.
// Shapes: T tokens, D head size padded to 32 columns, Tp tokens padded to 16.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Cluster.Inference.Kernels;

namespace Cluster.Model.Kernels;

internal sealed unsafe class AttentionKernel : IDisposable
{
    private const int Lanes = 16;
    private const int Strip = 8;
    private readonly int _heads, _kvHeads, _headSize, _padded, _capacity;
    private readonly float _scale;
    private readonly float[]? _cosines, _sines;
    private readonly float* _scratch;
    private readonly float* _q, _k, _v, _kT, _vT, _dO, _dQ, _dK, _dV, _scores, _dScores;

    /// <param name="heads">Query heads.</param>
    /// <param name="kvHeads">Key and value heads, a divisor of the query heads.</param>
    /// <param name="headSize">Width of one head, even.</param>
    /// <param name="maxTokens">Longest sequence.</param>
    /// <param name="rotary">Whether queries and keys are rotated by their position.</param>
    /// <param name="positionBase">The rotary base.</param>
    public AttentionKernel(int heads, int kvHeads, int headSize, int maxTokens, bool rotary, double positionBase)
    {
        (_heads, _kvHeads, _headSize) = (heads, kvHeads, headSize);
        _padded = (headSize + 31) / 32 * 32;
        _capacity = (maxTokens + Lanes - 1) / Lanes * Lanes;
        _scale = 1f / MathF.Sqrt(headSize);
        var plane = (nuint)_capacity * (nuint)_padded;
        var strip = (nuint)_capacity * Strip;
        var total = 9 * plane + 2 * strip;
        _scratch = (float*)NativeMemory.AlignedAlloc(total * sizeof(float), 64);
        NativeMemory.Clear(_scratch, total * sizeof(float));
        float* next = _scratch;
        _q = Take(plane);
        _k = Take(plane);
        _v = Take(plane);
        _kT = Take(plane);
        _vT = Take(plane);
        _dO = Take(plane);
        _dQ = Take(plane);
        _dK = Take(plane);
        _dV = Take(plane);
        _scores = Take(strip);
        _dScores = Take(strip);
        if (rotary)
        {
            var half = headSize / 2;
            _cosines = new float[maxTokens * half];
            _sines = new float[maxTokens * half];
            for (var t = 0; t < maxTokens; t++)
            {
                for (var i = 0; i < half; i++)
                {
                    var angle = t / Math.Pow(positionBase, 2.0 * i / headSize);
                    _cosines[t * half + i] = (float)Math.Cos(angle);
                    _sines[t * half + i] = (float)Math.Sin(angle);
                }
            }
        }

        float* Take(nuint count)
        {
            var start = next;
            next += count;
            return start;
        }
    }

    /// <summary>o = softmax(q·kᵀ/√hd, causal)·v for every head.</summary>
    /// <param name="qkv">T rows, (heads + 2 · kvHeads) · headSize apart.</param>
    /// <param name="bias">Added to each qkv row, or null.</param>
    /// <param name="output">T rows, heads · headSize apart.</param>
    /// <param name="logSumExp">[heads, T].</param>
    /// <param name="tokens">T, at most the capacity.</param>
    public void Forward<T>(T* qkv, float* bias, T* output, float* logSumExp, int tokens)
        where T : unmanaged, IElement<T>
    {
        var stride = (_heads + 2 * _kvHeads) * _headSize;
        var group = _heads / _kvHeads;
        for (var kvHead = 0; kvHead < _kvHeads; kvHead++)
        {
            LoadKeysAndValues(qkv, bias, kvHead, tokens, stride);
            for (var head = kvHead * group; head < (kvHead + 1) * group; head++)
            {
                LoadRows(qkv + head * _headSize, Offset(bias, head * _headSize), stride, _q, tokens, rotate: true);
                for (var start = 0; start < tokens; start += Strip)
                {
                    var rows = Math.Min(Strip, tokens - start);
                    var width = (start + rows + Lanes - 1) / Lanes * Lanes;
                    Scores(_q + (long)start * _padded, _kT, _scores, width);
                    for (var r = 0; r < rows; r++)
                        logSumExp[head * tokens + start + r] = Softmax(_scores + r * _capacity, start + r + 1, width);
                    for (var r = rows; r < Strip; r++)
                        new Span<float>(_scores + r * _capacity, width).Clear();
                    WeightedRows(_scores, _v, _dQ + (long)start * _padded, start + rows);
                }

                StoreRows(_dQ, output + head * _headSize, _heads * _headSize, tokens, rotateBack: false, 1f);
            }
        }
    }

    /// <summary>The keys, rotated, and the values of some rows of qkv, as a cache keeps them.</summary>
    /// <param name="qkv">The rows, (heads + 2 · kvHeads) · headSize apart.</param>
    /// <param name="bias">Added to each qkv row, or null.</param>
    /// <param name="first">Place of the first row in its sequence.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="keys">[tokens, kvHeads · headSize].</param>
    /// <param name="values">[tokens, kvHeads · headSize].</param>
    public void KeysAndValues<T>(T* qkv, float* bias, int first, int tokens, float* keys, float* values)
        where T : unmanaged, IElement<T>
    {
        int stride = (_heads + 2 * _kvHeads) * _headSize, width = _kvHeads * _headSize;
        for (var kvHead = 0; kvHead < _kvHeads; kvHead++)
        {
            int key = (_heads + kvHead) * _headSize, value = key + width;
            LoadRows(qkv + key, Offset(bias, key), stride, _k, tokens, rotate: true, first);
            LoadRows(qkv + value, Offset(bias, value), stride, _v, tokens, rotate: false);
            StoreRows(_k, (Fp32*)keys + kvHead * _headSize, width, tokens, rotateBack: false, 1f);
            StoreRows(_v, (Fp32*)values + kvHead * _headSize, width, tokens, rotateBack: false, 1f);
        }
    }

    /// <summary>o = softmax(q·kᵀ/√hd, causal)·v of a sequence's last rows over all of its keys and values.</summary>
    /// <param name="qkv">The rows, of which the queries are read.</param>
    /// <param name="bias">Added to each qkv row, or null.</param>
    /// <param name="keys">[first + tokens, kvHeads · headSize], rotated.</param>
    /// <param name="values">[first + tokens, kvHeads · headSize].</param>
    /// <param name="first">Place of the first row in the sequence.</param>
    /// <param name="tokens">Rows; with <paramref name="first"/> at most the capacity.</param>
    /// <param name="output">Rows, heads · headSize apart.</param>
    public void Continue<T>(T* qkv, float* bias, float* keys, float* values, int first, int tokens, T* output)
        where T : unmanaged, IElement<T>
    {
        int stride = (_heads + 2 * _kvHeads) * _headSize, width = _kvHeads * _headSize, group = _heads / _kvHeads;
        for (var kvHead = 0; kvHead < _kvHeads; kvHead++)
        {
            LoadRows((Fp32*)keys + kvHead * _headSize, null, width, _k, first + tokens, rotate: false);
            LoadRows((Fp32*)values + kvHead * _headSize, null, width, _v, first + tokens, rotate: false);
            Transpose(_k, _kT, first + tokens);
            for (var head = kvHead * group; head < (kvHead + 1) * group; head++)
            {
                LoadRows(qkv + head * _headSize, Offset(bias, head * _headSize), stride, _q, tokens, rotate: true, first);
                for (var start = 0; start < tokens; start += Strip)
                {
                    int rows = Math.Min(Strip, tokens - start), seen = first + start + rows, columns = (seen + Lanes - 1) / Lanes * Lanes;
                    Scores(_q + (long)start * _padded, _kT, _scores, columns);
                    for (var r = 0; r < rows; r++)
                        Softmax(_scores + r * _capacity, first + start + r + 1, columns);
                    for (var r = rows; r < Strip; r++)
                        new Span<float>(_scores + r * _capacity, columns).Clear();
                    WeightedRows(_scores, _v, _dQ + (long)start * _padded, seen);
                }

                StoreRows(_dQ, output + head * _headSize, _heads * _headSize, tokens, rotateBack: false, 1f);
            }
        }
    }

    /// <summary>
    /// Turns dO into the gradient of qkv (biases included: it is the gradient of the sum). P is computed again from q, k and the
    /// saved log-sum-exp; with D = Σ dO·O per query, dS = P · (dO·Vᵀ − D), dQ = dS·K/√hd, dK = dSᵀ·Q/√hd, dV = Pᵀ·dO.
    /// </summary>
    public void Backward<T>(T* qkv, float* bias, T* output, T* dOutput, float* logSumExp, T* dQkv, int tokens)
        where T : unmanaged, IElement<T>
    {
        var stride = (_heads + 2 * _kvHeads) * _headSize;
        var outStride = _heads * _headSize;
        var group = _heads / _kvHeads;
        var tokensUp = (tokens + Strip - 1) / Strip * Strip;
        for (var kvHead = 0; kvHead < _kvHeads; kvHead++)
        {
            LoadKeysAndValues(qkv, bias, kvHead, tokens, stride);
            Transpose(_v, _vT, tokens);
            new Span<float>(_dK, tokensUp * _padded).Clear();
            new Span<float>(_dV, tokensUp * _padded).Clear();
            for (var head = kvHead * group; head < (kvHead + 1) * group; head++)
            {
                LoadRows(qkv + head * _headSize, Offset(bias, head * _headSize), stride, _q, tokens, rotate: true);
                LoadRows(dOutput + head * _headSize, null, outStride, _dO, tokens, rotate: false);
                for (var start = 0; start < tokens; start += Strip)
                {
                    var rows = Math.Min(Strip, tokens - start);
                    var seen = start + rows;
                    var width = (seen + Lanes - 1) / Lanes * Lanes;
                    Scores(_q + (long)start * _padded, _kT, _scores, width);
                    Scores(_dO + (long)start * _padded, _vT, _dScores, width);
                    for (var r = 0; r < Strip; r++)
                    {
                        float* p = _scores + r * _capacity, dS = _dScores + r * _capacity;
                        if (r >= rows)
                        {
                            new Span<float>(p, width).Clear();
                            new Span<float>(dS, width).Clear();
                            continue;
                        }

                        var token = start + r;
                        var outRow = output + (long)token * outStride + head * _headSize;
                        var delta = RowDelta(outRow, _dO + (long)token * _padded);
                        ScoreGradient(p, dS, logSumExp[head * tokens + token], delta, token + 1, width);
                    }

                    WeightedRows(_dScores, _k, _dQ + (long)start * _padded, seen);
                    AccumulateTransposed(_scores, _dO + (long)start * _padded, _dV, seen);
                    AccumulateTransposed(_dScores, _q + (long)start * _padded, _dK, seen);
                }

                StoreRows(_dQ, dQkv + head * _headSize, stride, tokens, rotateBack: true, _scale);
            }

            StoreRows(_dK, dQkv + (_heads + kvHead) * _headSize, stride, tokens, rotateBack: true, _scale);
            StoreRows(_dV, dQkv + (_heads + _kvHeads + kvHead) * _headSize, stride, tokens, rotateBack: false, 1f);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_scratch);

    private static float* Offset(float* bias, int offset) => bias == null ? null : bias + offset;

    private void LoadKeysAndValues<T>(T* qkv, float* bias, int kvHead, int tokens, int stride)
        where T : unmanaged, IElement<T>
    {
        int key = (_heads + kvHead) * _headSize, value = key + _kvHeads * _headSize;
        LoadRows(qkv + key, Offset(bias, key), stride, _k, tokens, rotate: true);
        LoadRows(qkv + value, Offset(bias, value), stride, _v, tokens, rotate: false);
        Transpose(_k, _kT, tokens);
    }

    /// <summary>Widens one head's columns into rows of the padded head size, adds the bias, rotates.</summary>
    private void LoadRows<T>(T* source, float* bias, int stride, float* destination, int tokens, bool rotate, int first = 0)
        where T : unmanaged, IElement<T>
    {
        // A head that is no multiple of 16 wide is read element by element through a stack row: loads must not leave the matrix.
        var wholeVectors = _headSize % Lanes == 0;
        var row = stackalloc float[Lanes];
        for (var t = 0; t < tokens; t++)
        {
            T* from = source + (long)t * stride;
            float* to = destination + (long)t * _padded;
            if (wholeVectors)
            {
                for (var c = 0; c < _headSize; c += Lanes)
                    T.Load(from + c).Store(to + c);
            }
            else
            {
                for (var c = 0; c < _headSize; c++)
                    to[c] = Scalar.Load(from + c);
            }

            if (bias != null)
            {
                for (var c = 0; c < _headSize; c++)
                    to[c] += bias[c];
            }

            if (rotate && _cosines != null)
                Rotate(to, first + t, 1f);
        }
    }

    private void StoreRows<T>(float* source, T* destination, int stride, int tokens, bool rotateBack, float scale)
        where T : unmanaged, IElement<T>
    {
        var wholeVectors = _headSize % Lanes == 0;
        var factor = Vector512.Create(scale);
        for (var t = 0; t < tokens; t++)
        {
            float* from = source + (long)t * _padded;
            T* to = destination + (long)t * stride;
            if (rotateBack && _cosines != null)
                Rotate(from, t, -1f);
            if (wholeVectors)
            {
                for (var c = 0; c < _headSize; c += Lanes)
                    T.Store(to + c, Vector512.Load(from + c) * factor);
            }
            else
            {
                for (var c = 0; c < _headSize; c++)
                    Scalar.Store(to + c, from[c] * scale);
            }
        }
    }

    private void Rotate(float* row, int token, float direction)
    {
        var half = _headSize / 2;
        for (var i = 0; i < half; i++)
        {
            float cosine = _cosines![token * half + i], sine = direction * _sines![token * half + i];
            float a = row[i], b = row[i + half];
            row[i] = a * cosine - b * sine;
            row[i + half] = b * cosine + a * sine;
        }
    }

    /// <summary>[T, D] → [D, capacity].</summary>
    private void Transpose(float* source, float* destination, int tokens)
    {
        // 16 tokens at a time, so that each destination line is written whole while it is in L1.
        for (var t0 = 0; t0 < tokens; t0 += Lanes)
        {
            var count = Math.Min(Lanes, tokens - t0);
            for (var d = 0; d < _headSize; d++)
            {
                float* to = destination + (long)d * _capacity + t0, from = source + (long)t0 * _padded + d;
                for (var t = 0; t < count; t++)
                    to[t] = from[(long)t * _padded];
            }
        }
    }

    /// <summary>scores[8, width] = rows[8, D] · kT[D, capacity] (unscaled).</summary>
    private void Scores(float* rows, float* transposed, float* scores, int width)
    {
        var depth = _headSize;
        var column = 0;
        for (; column + 2 * Lanes <= width; column += 2 * Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            float* line = transposed + column, r = rows;
            for (var d = 0; d < depth; d++, line += _capacity, r++)
            {
                Vector512<float> x = Vector512.Load(line), y = Vector512.Load(line + Lanes);
                var q = Vector512.Create(r[0]);
                a0 = Vector512.FusedMultiplyAdd(q, x, a0);
                b0 = Vector512.FusedMultiplyAdd(q, y, b0);
                q = Vector512.Create(r[_padded]);
                a1 = Vector512.FusedMultiplyAdd(q, x, a1);
                b1 = Vector512.FusedMultiplyAdd(q, y, b1);
                q = Vector512.Create(r[2 * _padded]);
                a2 = Vector512.FusedMultiplyAdd(q, x, a2);
                b2 = Vector512.FusedMultiplyAdd(q, y, b2);
                q = Vector512.Create(r[3 * _padded]);
                a3 = Vector512.FusedMultiplyAdd(q, x, a3);
                b3 = Vector512.FusedMultiplyAdd(q, y, b3);
                q = Vector512.Create(r[4 * _padded]);
                a4 = Vector512.FusedMultiplyAdd(q, x, a4);
                b4 = Vector512.FusedMultiplyAdd(q, y, b4);
                q = Vector512.Create(r[5 * _padded]);
                a5 = Vector512.FusedMultiplyAdd(q, x, a5);
                b5 = Vector512.FusedMultiplyAdd(q, y, b5);
                q = Vector512.Create(r[6 * _padded]);
                a6 = Vector512.FusedMultiplyAdd(q, x, a6);
                b6 = Vector512.FusedMultiplyAdd(q, y, b6);
                q = Vector512.Create(r[7 * _padded]);
                a7 = Vector512.FusedMultiplyAdd(q, x, a7);
                b7 = Vector512.FusedMultiplyAdd(q, y, b7);
            }

            float* s = scores + column;
            Put(s, a0, b0);
            Put(s + _capacity, a1, b1);
            Put(s + 2 * _capacity, a2, b2);
            Put(s + 3 * _capacity, a3, b3);
            Put(s + 4 * _capacity, a4, b4);
            Put(s + 5 * _capacity, a5, b5);
            Put(s + 6 * _capacity, a6, b6);
            Put(s + 7 * _capacity, a7, b7);
        }

        if (column < width)
        {
            for (var row = 0; row < Strip; row++)
            {
                Vector512<float> sum = default;
                for (var d = 0; d < depth; d++)
                    sum = Vector512.FusedMultiplyAdd(Vector512.Create(rows[row * _padded + d]), Vector512.Load(transposed + (long)d * _capacity + column), sum);
                sum.Store(scores + row * _capacity + column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* at, Vector512<float> left, Vector512<float> right)
    {
        left.Store(at);
        right.Store(at + Lanes);
    }

    /// <summary>Row of raw scores → probabilities over the first <paramref name="seen"/>, zeros up to the width; returns log Σ exp.</summary>
    private float Softmax(float* scores, int seen, int width)
    {
        var scale = Vector512.Create(_scale);
        for (var c = seen; c < width; c++)
            scores[c] = float.NegativeInfinity;
        var top = Vector512.Create(float.NegativeInfinity);
        for (var c = 0; c < width; c += Lanes)
            top = Vector512.MaxNative(top, Vector512.Load(scores + c));
        var max = float.NegativeInfinity;
        for (var i = 0; i < Lanes; i++)
            max = MathF.Max(max, top[i]);
        max *= _scale;
        var offset = Vector512.Create(-max);
        Vector512<float> sum = default;
        for (var c = 0; c < width; c += Lanes)
        {
            var e = VectorMath.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + c), scale, offset));
            e.Store(scores + c);
            sum += e;
        }

        // exp of −∞ is clamped to a tiny positive number by the polynomial: the unseen ones are set to 0 exactly.
        for (var c = seen; c < width; c++)
            scores[c] = 0;
        var total = Vector512.Sum(sum);
        var reciprocal = Vector512.Create(1f / total);
        for (var c = 0; c < width; c += Lanes)
            (Vector512.Load(scores + c) * reciprocal).Store(scores + c);
        return max + MathF.Log(total);
    }

    /// <summary>p: raw scores → probabilities; dS: dO·Vᵀ → p · (dO·Vᵀ − D).</summary>
    private void ScoreGradient(float* p, float* dS, float logSumExp, float delta, int seen, int width)
    {
        Vector512<float> scale = Vector512.Create(_scale), offset = Vector512.Create(-logSumExp), minus = Vector512.Create(delta);
        for (var c = 0; c < width; c += Lanes)
        {
            var probability = VectorMath.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(p + c), scale, offset));
            probability.Store(p + c);
            (probability * (Vector512.Load(dS + c) - minus)).Store(dS + c);
        }

        for (var c = seen; c < width; c++)
        {
            p[c] = 0;
            dS[c] = 0;
        }
    }

    private float RowDelta<T>(T* output, float* dOutput)
        where T : unmanaged, IElement<T>
    {
        if (_headSize % Lanes != 0)
        {
            var scalar = 0f;
            for (var c = 0; c < _headSize; c++)
                scalar = MathF.FusedMultiplyAdd(Scalar.Load(output + c), dOutput[c], scalar);
            return scalar;
        }

        Vector512<float> sum = default;
        for (var c = 0; c < _headSize; c += Lanes)
            sum = Vector512.FusedMultiplyAdd(T.Load(output + c), Vector512.Load(dOutput + c), sum);
        return Vector512.Sum(sum);
    }

    /// <summary>result[8, D] = weights[8, seen] · rows[seen, D].</summary>
    private void WeightedRows(float* weights, float* rows, float* result, int seen)
    {
        for (var column = 0; column < _padded; column += 2 * Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            float* line = rows + column, w = weights;
            for (var t = 0; t < seen; t++, line += _padded, w++)
            {
                Vector512<float> x = Vector512.Load(line), y = Vector512.Load(line + Lanes);
                var p = Vector512.Create(w[0]);
                a0 = Vector512.FusedMultiplyAdd(p, x, a0);
                b0 = Vector512.FusedMultiplyAdd(p, y, b0);
                p = Vector512.Create(w[_capacity]);
                a1 = Vector512.FusedMultiplyAdd(p, x, a1);
                b1 = Vector512.FusedMultiplyAdd(p, y, b1);
                p = Vector512.Create(w[2 * _capacity]);
                a2 = Vector512.FusedMultiplyAdd(p, x, a2);
                b2 = Vector512.FusedMultiplyAdd(p, y, b2);
                p = Vector512.Create(w[3 * _capacity]);
                a3 = Vector512.FusedMultiplyAdd(p, x, a3);
                b3 = Vector512.FusedMultiplyAdd(p, y, b3);
                p = Vector512.Create(w[4 * _capacity]);
                a4 = Vector512.FusedMultiplyAdd(p, x, a4);
                b4 = Vector512.FusedMultiplyAdd(p, y, b4);
                p = Vector512.Create(w[5 * _capacity]);
                a5 = Vector512.FusedMultiplyAdd(p, x, a5);
                b5 = Vector512.FusedMultiplyAdd(p, y, b5);
                p = Vector512.Create(w[6 * _capacity]);
                a6 = Vector512.FusedMultiplyAdd(p, x, a6);
                b6 = Vector512.FusedMultiplyAdd(p, y, b6);
                p = Vector512.Create(w[7 * _capacity]);
                a7 = Vector512.FusedMultiplyAdd(p, x, a7);
                b7 = Vector512.FusedMultiplyAdd(p, y, b7);
            }

            float* o = result + column;
            Put(o, a0, b0);
            Put(o + _padded, a1, b1);
            Put(o + 2 * _padded, a2, b2);
            Put(o + 3 * _padded, a3, b3);
            Put(o + 4 * _padded, a4, b4);
            Put(o + 5 * _padded, a5, b5);
            Put(o + 6 * _padded, a6, b6);
            Put(o + 7 * _padded, a7, b7);
        }
    }

    /// <summary>result[seen, D] += weights[8, seen]ᵀ · rows[8, D].</summary>
    private void AccumulateTransposed(float* weights, float* rows, float* result, int seen)
    {
        for (var column = 0; column < _padded; column += 2 * Lanes)
        {
            float* r = rows + column;
            Vector512<float> x0 = Vector512.Load(r), y0 = Vector512.Load(r + Lanes);
            Vector512<float> x1 = Vector512.Load(r + _padded), y1 = Vector512.Load(r + _padded + Lanes);
            Vector512<float> x2 = Vector512.Load(r + 2 * _padded), y2 = Vector512.Load(r + 2 * _padded + Lanes);
            Vector512<float> x3 = Vector512.Load(r + 3 * _padded), y3 = Vector512.Load(r + 3 * _padded + Lanes);
            Vector512<float> x4 = Vector512.Load(r + 4 * _padded), y4 = Vector512.Load(r + 4 * _padded + Lanes);
            Vector512<float> x5 = Vector512.Load(r + 5 * _padded), y5 = Vector512.Load(r + 5 * _padded + Lanes);
            Vector512<float> x6 = Vector512.Load(r + 6 * _padded), y6 = Vector512.Load(r + 6 * _padded + Lanes);
            Vector512<float> x7 = Vector512.Load(r + 7 * _padded), y7 = Vector512.Load(r + 7 * _padded + Lanes);
            float* to = result + column, w = weights;
            for (var t = 0; t < seen; t++, to += _padded, w++)
            {
                Vector512<float> a = Vector512.Load(to), b = Vector512.Load(to + Lanes);
                var p = Vector512.Create(w[0]);
                a = Vector512.FusedMultiplyAdd(p, x0, a);
                b = Vector512.FusedMultiplyAdd(p, y0, b);
                p = Vector512.Create(w[_capacity]);
                a = Vector512.FusedMultiplyAdd(p, x1, a);
                b = Vector512.FusedMultiplyAdd(p, y1, b);
                p = Vector512.Create(w[2 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x2, a);
                b = Vector512.FusedMultiplyAdd(p, y2, b);
                p = Vector512.Create(w[3 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x3, a);
                b = Vector512.FusedMultiplyAdd(p, y3, b);
                p = Vector512.Create(w[4 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x4, a);
                b = Vector512.FusedMultiplyAdd(p, y4, b);
                p = Vector512.Create(w[5 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x5, a);
                b = Vector512.FusedMultiplyAdd(p, y5, b);
                p = Vector512.Create(w[6 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x6, a);
                b = Vector512.FusedMultiplyAdd(p, y6, b);
                p = Vector512.Create(w[7 * _capacity]);
                a = Vector512.FusedMultiplyAdd(p, x7, a);
                b = Vector512.FusedMultiplyAdd(p, y7, b);
                Put(to, a, b);
            }
        }
    }

    /// <summary>One element at a time, for heads that are no multiple of 16 wide.</summary>
    private static class Scalar
    {
        public static float Load<T>(T* source)
            where T : unmanaged, IElement<T> =>
            sizeof(T) == sizeof(float) ? *(float*)source : BitConverter.UInt32BitsToSingle((uint)*(ushort*)source << 16);

        public static void Store<T>(T* destination, float value)
            where T : unmanaged, IElement<T>
        {
            if (sizeof(T) == sizeof(float))
            {
                *(float*)destination = value;
                return;
            }

            var bits = BitConverter.SingleToUInt32Bits(value);
            *(ushort*)destination = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }
}
