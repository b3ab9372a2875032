// y = x · Wᵀ with W in codes and scales. Enters: rows in fp32. Leaves: rows in fp32. Does not know: how codes were chosen.
// A group's sum over its input features is exact (whole numbers) or one chain of multiply-adds (fp32 activations); the groups' sums,
// scaled, are one chain of multiply-adds in order. A row's bits depend on that row and W only, whatever the number of rows, and with whole
// numbers not on the processor either.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Kernels;

/// <summary>Instructions for products of codes.</summary>
internal enum IntegerPath
{
    /// <summary>Multiplications of 32-bit lanes: any processor.</summary>
    Portable,

    /// <summary>256-bit vectors of x86, AVX-VNNI's dot product where there is one.</summary>
    Avx2,

    /// <summary>512-bit vectors of x86. .NET 10 has no AVX-512 VNNI; products of bytes are added in two steps.</summary>
    Avx512,
}

/// <summary>A quantised matrix in panels. Per group of input features: 64 scales in bfloat16, then units of codes.</summary>
internal abstract unsafe class QuantizedPanelMatrix(int outputs, int inputs) : PanelMatrix(outputs, inputs)
{
    /// <summary>The widest instructions of this processor.</summary>
    public static IntegerPath Widest { get; } =
        Avx512BW.IsSupported ? IntegerPath.Avx512 : Avx2.IsSupported ? IntegerPath.Avx2 : IntegerPath.Portable;

    /// <summary>Bytes of memory that a matrix's panels take.</summary>
    public static long PackedBytes(WeightFormat format, int outputs, int inputs) =>
        ((long)outputs + Panel - 1) / Panel * Panel * (format.GroupsOf(inputs) * sizeof(ushort) + (long)inputs * format.Bits / 8);

    /// <summary>Stores a matrix.</summary>
    /// <param name="matrix">Not kept.</param>
    /// <param name="activations">What a product does to its rows.</param>
    /// <param name="memory"><see cref="PackedBytes"/> zeroed bytes on a 64-byte bound, alive as long as the result.</param>
    /// <param name="path">Instructions, for tests; they decide no bit.</param>
    public static QuantizedPanelMatrix Pack(QuantizedMatrix matrix, ActivationFormat activations, void* memory, IntegerPath? path = null) => matrix.Format.Bits == 4
        ? new QuantizedPanelMatrix<Int4Codes>(matrix, activations, (byte*)memory, path ?? Widest)
        : new QuantizedPanelMatrix<Int8Codes>(matrix, activations, (byte*)memory, path ?? Widest);

    /// <summary>The weights of one output, widened.</summary>
    /// <param name="output">Which.</param>
    /// <param name="weights">[inputs].</param>
    public abstract void ReadRow(int output, float* weights);
}

/// <inheritdoc cref="QuantizedPanelMatrix"/>
internal sealed unsafe class QuantizedPanelMatrix<T> : QuantizedPanelMatrix
    where T : struct, IPanelCodes<T>
{
    private const int Unit = 8, ScaleBytes = Panel * sizeof(ushort);
    private readonly byte* _panels;
    private readonly long _panelBytes;
    private readonly int _group, _groups, _valueBytes;
    private readonly ActivationFormat _activations;
    private readonly IntegerPath _path;

    internal QuantizedPanelMatrix(QuantizedMatrix matrix, ActivationFormat activations, byte* memory, IntegerPath path)
        : base(matrix.Rows, matrix.Columns)
    {
        _panels = memory;
        (_activations, _path) = (activations, path);
        (_group, _groups) = (matrix.Format.Group, matrix.Groups);
        _panelBytes = PackedBytes(matrix.Format, Panel, Inputs);
        _valueBytes = (Inputs + 63) / 64 * 64;
        for (var first = 0; first < Outputs; first += Panel)
        {
            for (var group = 0; group < _groups; group++)
            {
                var scales = (ushort*)memory;
                memory += ScaleBytes;
                var count = Math.Min(Panel, Outputs - first);
                for (var o = 0; o < count; o++)
                    scales[o] = matrix.Scales[(first + o) * _groups + group];
                var end = Math.Min(Inputs, (group + 1) * _group);
                for (var i = group * _group; i < end; i += Unit, memory += T.UnitBytes)
                {
                    for (var o = 0; o < count; o++)
                    {
                        for (var k = 0; k < Unit; k++)
                            T.Store(memory, o, k, matrix.Code(first + o, i + k));
                    }
                }
            }
        }
    }

    /// <inheritdoc/>
    public override long Bytes => Panels * _panelBytes;

    /// <summary>Values, their signs where the codes need them, a scale and a correction for each group.</summary>
    public override int PreparedBytes => _activations == ActivationFormat.Fp32
        ? 0
        : (T.Masked ? 2 : 1) * _valueBytes + (_groups * (sizeof(float) + sizeof(int)) + 63) / 64 * 64;

    private int ScalesAt => (T.Masked ? 2 : 1) * _valueBytes;

    /// <inheritdoc/>
    public override void Prepare(float* x, byte* prepared, int rows)
    {
        if (_activations == ActivationFormat.Fp32)
            return;
        for (; rows > 0; rows--, x += Inputs, prepared += PreparedBytes)
        {
            var scales = (float*)(prepared + ScalesAt);
            var corrections = (int*)(scales + _groups);
            for (var group = 0; group < _groups; group++)
            {
                var start = group * _group;
                corrections[group] = Prepare(x + start, prepared + start, Math.Min(_group, Inputs - start), out scales[group]);
            }
        }
    }

    /// <inheritdoc/>
    public override void Multiply(float* x, byte* prepared, float* y, int rows, int firstPanel, int panelCount)
    {
        // A row's and a panel's sums between groups; on a 64-byte bound, though nothing but speed would tell.
        var memory = stackalloc byte[4 * Panel * sizeof(float) + 64];
        var sums = (float*)(((nint)memory + 63) & ~63);
        var panel = _panels + firstPanel * _panelBytes;
        for (var first = firstPanel * Panel; panelCount > 0; panelCount--, first += Panel, panel += _panelBytes)
        {
            if (rows == 1 && panelCount > 1 && _path == IntegerPath.Avx512 && _activations == ActivationFormat.Int8)
            {
                OneRowTwoPanels(panel, prepared, sums);
                var both = Math.Min(2 * Panel, Outputs - first);
                new ReadOnlySpan<float>(sums, both).CopyTo(new Span<float>(y + first, both));
                panelCount--;
                first += Panel;
                panel += _panelBytes;
                continue;
            }

            var count = Math.Min(Panel, Outputs - first);
            for (var row = 0; row < rows;)
            {
                var several = row + 4 <= rows ? 4 : 1;
                if (_activations == ActivationFormat.Fp32)
                {
                    var from = x + (long)row * Inputs;
                    if (several == 4)
                        WidenFourRows(panel, from, sums);
                    else
                        WidenOneRow(panel, from, sums);
                }
                else
                {
                    var from = prepared + (long)row * PreparedBytes;
                    if (_path != IntegerPath.Avx512)
                        several = 1;
                    if (several == 4)
                        FourRows(panel, from, sums);
                    else if (_path == IntegerPath.Avx512)
                        OneRow(panel, from, sums);
                    else
                        OneRowInSteps(panel, from, sums);
                }

                for (var r = 0; r < several; r++, row++)
                    new ReadOnlySpan<float>(sums + r * Panel, count).CopyTo(new Span<float>(y + (long)row * Outputs + first, count));
            }
        }
    }

    /// <inheritdoc/>
    public override void ReadRow(int output, float* weights)
    {
        var at = _panels + output / Panel * _panelBytes;
        output %= Panel;
        for (var group = 0; group < _groups; group++)
        {
            var scale = BFloat16.Widen(((ushort*)at)[output]);
            at += ScaleBytes;
            var end = Math.Min(Inputs, (group + 1) * _group);
            for (var i = group * _group; i < end; i += Unit, at += T.UnitBytes)
            {
                for (var k = 0; k < Unit; k++)
                    *weights++ = T.Read(at, output, k) * scale;
            }
        }
    }

    /// <summary>Quantises one group of one row; returns its correction.</summary>
    private int Prepare(float* x, byte* values, int count, out float scale)
    {
        var largest = Vector512<float>.Zero;
        for (var i = 0; i < count; i += 16)
            largest = Vector512.Max(largest, Vector512.Abs(Vector512.Load(x + i)));
        var top = 0f;
        for (var i = 0; i < 16; i++)
            top = MathF.Max(top, largest[i]);
        // So small that its inverse may not be finite: zero, to any precision that the rest of the model has.
        scale = top < 1e-30f ? 0 : top / 127;
        var inverse = Vector512.Create(top < 1e-30f ? 0 : 127 / top);
        Vector512<int> total = default, negative = default;
        for (var i = 0; i < count; i += 16)
        {
            var code = Vector512.ConvertToInt32(Vector512.Round(Vector512.Load(x + i) * inverse));
            total += code;
            negative -= Vector512.Min(code, Vector512<int>.Zero);
            var words = Vector256.Narrow(code.GetLower(), code.GetUpper());
            var bytes = Vector128.Narrow(words.GetLower(), words.GetUpper());
            if (T.Masked)
            {
                Vector128.Abs(bytes).AsByte().Store(values + i);
                Vector128.LessThan(bytes, Vector128<sbyte>.Zero).AsByte().Store(values + _valueBytes + i);
            }
            else
            {
                bytes.AsByte().Store(values + i);
            }
        }

        return T.Correction(Vector512.Sum(negative), Vector512.Sum(total));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void OneRow(byte* panel, byte* values, float* y)
    {
        var scales = (float*)(values + ScalesAt);
        var corrections = (int*)(scales + _groups);
        Vector512<float> y0 = default, y1 = default, y2 = default, y3 = default;
        for (int group = 0, left = Inputs; group < _groups; group++, left -= _group)
        {
            var weights = (ushort*)panel;
            panel += ScaleBytes;
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default;
            for (var end = values + Math.Min(_group, left); values < end; values += Unit, panel += T.UnitBytes)
            {
                Vector512<byte> v = Broadcast(values), m = Mask(values);
                a0 = T.Add(a0, T.Load512(panel, 0, 0), v, m);
                a1 = T.Add(a1, T.Load512(panel, 0, 1), v, m);
                a2 = T.Add(a2, T.Load512(panel, 0, 2), v, m);
                a3 = T.Add(a3, T.Load512(panel, 0, 3), v, m);
                (v, m) = (Broadcast(values + 4), Mask(values + 4));
                a0 = T.Add(a0, T.Load512(panel, 1, 0), v, m);
                a1 = T.Add(a1, T.Load512(panel, 1, 1), v, m);
                a2 = T.Add(a2, T.Load512(panel, 1, 2), v, m);
                a3 = T.Add(a3, T.Load512(panel, 1, 3), v, m);
            }

            var correction = Vector512.Create(corrections[group]);
            var scale = Vector512.Create(scales[group]);
            var (low, high) = Vector512.Widen(Vector512.Load(weights));
            y0 = Scaled(y0, T.Finish(a0) + correction, low, scale);
            y1 = Scaled(y1, T.Finish(a1) + correction, high, scale);
            (low, high) = Vector512.Widen(Vector512.Load(weights + 32));
            y2 = Scaled(y2, T.Finish(a2) + correction, low, scale);
            y3 = Scaled(y3, T.Finish(a3) + correction, high, scale);
        }

        y0.Store(y);
        y1.Store(y + 16);
        y2.Store(y + 32);
        y3.Store(y + 48);
    }

    /// <summary>
    /// The sums of <see cref="OneRow"/> for two panels, which lie one behind the other: a core reads two streams faster than one, for it
    /// looks ahead in each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void OneRowTwoPanels(byte* left, byte* values, float* y)
    {
        var scales = (float*)(values + ScalesAt);
        var corrections = (int*)(scales + _groups);
        var apart = _panelBytes;
        Vector512<float> y0 = default, y1 = default, y2 = default, y3 = default, z0 = default, z1 = default, z2 = default, z3 = default;
        for (int group = 0, rest = Inputs; group < _groups; group++, rest -= _group)
        {
            var weights = left;
            left += ScaleBytes;
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            for (var end = values + Math.Min(_group, rest); values < end; values += Unit, left += T.UnitBytes)
            {
                var right = left + apart;
                Vector512<byte> v = Broadcast(values), m = Mask(values);
                a0 = T.Add(a0, T.Load512(left, 0, 0), v, m);
                a1 = T.Add(a1, T.Load512(left, 0, 1), v, m);
                a2 = T.Add(a2, T.Load512(left, 0, 2), v, m);
                a3 = T.Add(a3, T.Load512(left, 0, 3), v, m);
                b0 = T.Add(b0, T.Load512(right, 0, 0), v, m);
                b1 = T.Add(b1, T.Load512(right, 0, 1), v, m);
                b2 = T.Add(b2, T.Load512(right, 0, 2), v, m);
                b3 = T.Add(b3, T.Load512(right, 0, 3), v, m);
                (v, m) = (Broadcast(values + 4), Mask(values + 4));
                a0 = T.Add(a0, T.Load512(left, 1, 0), v, m);
                a1 = T.Add(a1, T.Load512(left, 1, 1), v, m);
                a2 = T.Add(a2, T.Load512(left, 1, 2), v, m);
                a3 = T.Add(a3, T.Load512(left, 1, 3), v, m);
                b0 = T.Add(b0, T.Load512(right, 1, 0), v, m);
                b1 = T.Add(b1, T.Load512(right, 1, 1), v, m);
                b2 = T.Add(b2, T.Load512(right, 1, 2), v, m);
                b3 = T.Add(b3, T.Load512(right, 1, 3), v, m);
            }

            var correction = Vector512.Create(corrections[group]);
            var scale = Vector512.Create(scales[group]);
            var (low, high) = Vector512.Widen(Vector512.Load((ushort*)weights));
            y0 = Scaled(y0, T.Finish(a0) + correction, low, scale);
            y1 = Scaled(y1, T.Finish(a1) + correction, high, scale);
            (low, high) = Vector512.Widen(Vector512.Load((ushort*)weights + 32));
            y2 = Scaled(y2, T.Finish(a2) + correction, low, scale);
            y3 = Scaled(y3, T.Finish(a3) + correction, high, scale);
            weights += apart;
            (low, high) = Vector512.Widen(Vector512.Load((ushort*)weights));
            z0 = Scaled(z0, T.Finish(b0) + correction, low, scale);
            z1 = Scaled(z1, T.Finish(b1) + correction, high, scale);
            (low, high) = Vector512.Widen(Vector512.Load((ushort*)weights + 32));
            z2 = Scaled(z2, T.Finish(b2) + correction, low, scale);
            z3 = Scaled(z3, T.Finish(b3) + correction, high, scale);
        }

        y0.Store(y);
        y1.Store(y + 16);
        y2.Store(y + 32);
        y3.Store(y + 48);
        z0.Store(y + Panel);
        z1.Store(y + Panel + 16);
        z2.Store(y + Panel + 32);
        z3.Store(y + Panel + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FourRows(byte* panel, byte* values, float* y)
    {
        new Span<float>(y, 4 * Panel).Clear();
        byte* v0 = values, v1 = v0 + PreparedBytes, v2 = v1 + PreparedBytes, v3 = v2 + PreparedBytes;
        for (int group = 0, start = 0; group < _groups; group++, start += _group)
        {
            var weights = (ushort*)panel;
            panel += ScaleBytes;
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            Vector512<int> c0 = default, c1 = default, c2 = default, c3 = default, d0 = default, d1 = default, d2 = default, d3 = default;
            var end = Math.Min(Inputs, start + _group);
            for (var i = start; i < end; i += Unit, panel += T.UnitBytes)
            {
                Vector512<byte> w0 = T.Load512(panel, 0, 0), w1 = T.Load512(panel, 0, 1), w2 = T.Load512(panel, 0, 2), w3 = T.Load512(panel, 0, 3);
                Vector512<byte> v = Broadcast(v0 + i), m = Mask(v0 + i);
                (a0, a1, a2, a3) = (T.Add(a0, w0, v, m), T.Add(a1, w1, v, m), T.Add(a2, w2, v, m), T.Add(a3, w3, v, m));
                (v, m) = (Broadcast(v1 + i), Mask(v1 + i));
                (b0, b1, b2, b3) = (T.Add(b0, w0, v, m), T.Add(b1, w1, v, m), T.Add(b2, w2, v, m), T.Add(b3, w3, v, m));
                (v, m) = (Broadcast(v2 + i), Mask(v2 + i));
                (c0, c1, c2, c3) = (T.Add(c0, w0, v, m), T.Add(c1, w1, v, m), T.Add(c2, w2, v, m), T.Add(c3, w3, v, m));
                (v, m) = (Broadcast(v3 + i), Mask(v3 + i));
                (d0, d1, d2, d3) = (T.Add(d0, w0, v, m), T.Add(d1, w1, v, m), T.Add(d2, w2, v, m), T.Add(d3, w3, v, m));

                (w0, w1, w2, w3) = (T.Load512(panel, 1, 0), T.Load512(panel, 1, 1), T.Load512(panel, 1, 2), T.Load512(panel, 1, 3));
                (v, m) = (Broadcast(v0 + i + 4), Mask(v0 + i + 4));
                (a0, a1, a2, a3) = (T.Add(a0, w0, v, m), T.Add(a1, w1, v, m), T.Add(a2, w2, v, m), T.Add(a3, w3, v, m));
                (v, m) = (Broadcast(v1 + i + 4), Mask(v1 + i + 4));
                (b0, b1, b2, b3) = (T.Add(b0, w0, v, m), T.Add(b1, w1, v, m), T.Add(b2, w2, v, m), T.Add(b3, w3, v, m));
                (v, m) = (Broadcast(v2 + i + 4), Mask(v2 + i + 4));
                (c0, c1, c2, c3) = (T.Add(c0, w0, v, m), T.Add(c1, w1, v, m), T.Add(c2, w2, v, m), T.Add(c3, w3, v, m));
                (v, m) = (Broadcast(v3 + i + 4), Mask(v3 + i + 4));
                (d0, d1, d2, d3) = (T.Add(d0, w0, v, m), T.Add(d1, w1, v, m), T.Add(d2, w2, v, m), T.Add(d3, w3, v, m));
            }

            Close(values, group, weights, T.Finish(a0), T.Finish(a1), T.Finish(a2), T.Finish(a3), y);
            Close(v1, group, weights, T.Finish(b0), T.Finish(b1), T.Finish(b2), T.Finish(b3), y + Panel);
            Close(v2, group, weights, T.Finish(c0), T.Finish(c1), T.Finish(c2), T.Finish(c3), y + 2 * Panel);
            Close(v3, group, weights, T.Finish(d0), T.Finish(d1), T.Finish(d2), T.Finish(d3), y + 3 * Panel);
        }
    }

    /// <summary>Where 512-bit vectors are not the machine's: whole sums of a group first, then what they are worth.</summary>
    private void OneRowInSteps(byte* panel, byte* values, float* y)
    {
        var sums = stackalloc int[Panel];
        new Span<float>(y, Panel).Clear();
        for (int group = 0, start = 0; group < _groups; group++, start += _group)
        {
            var weights = (ushort*)panel;
            panel += ScaleBytes;
            var count = Math.Min(_group, Inputs - start);
            if (_path == IntegerPath.Avx2)
            {
                Sums256(panel, values + start, count, sums);
                Sums256(panel, values + start, count, sums, half: 1);
            }
            else
            {
                SumsPortable(panel, values + start, count, sums);
            }

            panel += count / Unit * T.UnitBytes;
            Close(values, group, weights, Vector512.Load(sums), Vector512.Load(sums + 16), Vector512.Load(sums + 32), Vector512.Load(sums + 48), y);
        }
    }

    /// <summary>The sums of 32 of the panel's outputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Sums256(byte* panel, byte* values, int count, int* sums, int half = 0)
    {
        Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
        var part = 4 * half;
        for (var end = values + count; values < end; values += Unit, panel += T.UnitBytes)
        {
            var v = Vector256.Create(*(int*)values).AsByte();
            var m = T.Masked ? Vector256.Create(*(int*)(values + _valueBytes)).AsByte() : default;
            a0 = T.Add(a0, T.Load256(panel, 0, part), v, m);
            a1 = T.Add(a1, T.Load256(panel, 0, part + 1), v, m);
            a2 = T.Add(a2, T.Load256(panel, 0, part + 2), v, m);
            a3 = T.Add(a3, T.Load256(panel, 0, part + 3), v, m);
            v = Vector256.Create(*(int*)(values + 4)).AsByte();
            m = T.Masked ? Vector256.Create(*(int*)(values + _valueBytes + 4)).AsByte() : default;
            a0 = T.Add(a0, T.Load256(panel, 1, part), v, m);
            a1 = T.Add(a1, T.Load256(panel, 1, part + 1), v, m);
            a2 = T.Add(a2, T.Load256(panel, 1, part + 2), v, m);
            a3 = T.Add(a3, T.Load256(panel, 1, part + 3), v, m);
        }

        sums += 8 * part;
        T.Finish(a0).Store(sums);
        T.Finish(a1).Store(sums + 8);
        T.Finish(a2).Store(sums + 16);
        T.Finish(a3).Store(sums + 24);
    }

    /// <summary>The same sums by signed products, less the correction that is added to all of them.</summary>
    private void SumsPortable(byte* panel, byte* values, int count, int* sums)
    {
        new Span<int>(sums, Panel).Clear();
        int negative = 0, total = 0;
        for (var end = values + count; values < end; values += Unit, panel += T.UnitBytes)
        {
            for (var k = 0; k < Unit; k++)
            {
                var value = T.Masked ? (values[k] ^ (sbyte)values[_valueBytes + k]) - (sbyte)values[_valueBytes + k] : (sbyte)values[k];
                total += value;
                negative -= Math.Min(value, 0);
                var x = Vector512.Create(value);
                for (var part = 0; part < 4; part++)
                    (Vector512.Load(sums + 16 * part) + T.Signed(T.Load512(panel, k / 4, part), k % 4) * x).Store(sums + 16 * part);
            }
        }

        var correction = Vector512.Create(T.Correction(negative, total));
        for (var part = 0; part < 4; part++)
            (Vector512.Load(sums + 16 * part) - correction).Store(sums + 16 * part);
    }

    /// <summary>Adds a group's sums, scaled, to a row of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Close(byte* row, int group, ushort* weights, Vector512<int> s0, Vector512<int> s1, Vector512<int> s2, Vector512<int> s3, float* y)
    {
        var scales = (float*)(row + ScalesAt);
        var correction = Vector512.Create(((int*)(scales + _groups))[group]);
        var scale = Vector512.Create(scales[group]);
        var (low, high) = Vector512.Widen(Vector512.Load(weights));
        Scaled(Vector512.Load(y), s0 + correction, low, scale).Store(y);
        Scaled(Vector512.Load(y + 16), s1 + correction, high, scale).Store(y + 16);
        (low, high) = Vector512.Widen(Vector512.Load(weights + 32));
        Scaled(Vector512.Load(y + 32), s2 + correction, low, scale).Store(y + 32);
        Scaled(Vector512.Load(y + 48), s3 + correction, high, scale).Store(y + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WidenOneRow(byte* panel, float* x, float* y)
    {
        Vector512<float> y0 = default, y1 = default, y2 = default, y3 = default;
        for (int group = 0, left = Inputs; group < _groups; group++, left -= _group)
        {
            var weights = (ushort*)panel;
            panel += ScaleBytes;
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            for (var end = x + Math.Min(_group, left); x < end; x += Unit, panel += T.UnitBytes)
            {
                Widen(panel, 0, 0, x[0], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 0, 1, x[1], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 0, 2, x[2], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 0, 3, x[3], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 1, 0, x[4], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 1, 1, x[5], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 1, 2, x[6], ref a0, ref a1, ref a2, ref a3);
                Widen(panel, 1, 3, x[7], ref a0, ref a1, ref a2, ref a3);
            }

            var (low, high) = Vector512.Widen(Vector512.Load(weights));
            (y0, y1) = (Vector512.FusedMultiplyAdd(a0, Float(low), y0), Vector512.FusedMultiplyAdd(a1, Float(high), y1));
            (low, high) = Vector512.Widen(Vector512.Load(weights + 32));
            (y2, y3) = (Vector512.FusedMultiplyAdd(a2, Float(low), y2), Vector512.FusedMultiplyAdd(a3, Float(high), y3));
        }

        y0.Store(y);
        y1.Store(y + 16);
        y2.Store(y + 32);
        y3.Store(y + 48);
    }

    /// <summary>The chains of <see cref="WidenOneRow"/>, each weight widened once for four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WidenFourRows(byte* panel, float* x, float* y)
    {
        new Span<float>(y, 4 * Panel).Clear();
        float* x1 = x + Inputs, x2 = x1 + Inputs, x3 = x2 + Inputs;
        for (int group = 0, start = 0; group < _groups; group++, start += _group)
        {
            var weights = (ushort*)panel;
            panel += ScaleBytes;
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, d0 = default, d1 = default, d2 = default, d3 = default;
            var end = Math.Min(Inputs, start + _group);
            for (var i = start; i < end; i += Unit, panel += T.UnitBytes)
            {
                Widen(panel, 0, 0, x[i + 0], x1[i + 0], x2[i + 0], x3[i + 0], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 0, 1, x[i + 1], x1[i + 1], x2[i + 1], x3[i + 1], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 0, 2, x[i + 2], x1[i + 2], x2[i + 2], x3[i + 2], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 0, 3, x[i + 3], x1[i + 3], x2[i + 3], x3[i + 3], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 1, 0, x[i + 4], x1[i + 4], x2[i + 4], x3[i + 4], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 1, 1, x[i + 5], x1[i + 5], x2[i + 5], x3[i + 5], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 1, 2, x[i + 6], x1[i + 6], x2[i + 6], x3[i + 6], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                Widen(panel, 1, 3, x[i + 7], x1[i + 7], x2[i + 7], x3[i + 7], ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3,
                    ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
            }

            CloseWidened(weights, a0, a1, a2, a3, y);
            CloseWidened(weights, b0, b1, b2, b3, y + Panel);
            CloseWidened(weights, c0, c1, c2, c3, y + 2 * Panel);
            CloseWidened(weights, d0, d1, d2, d3, y + 3 * Panel);
        }

        static void CloseWidened(ushort* weights, Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3, float* y)
        {
            var (low, high) = Vector512.Widen(Vector512.Load(weights));
            Vector512.FusedMultiplyAdd(s0, Float(low), Vector512.Load(y)).Store(y);
            Vector512.FusedMultiplyAdd(s1, Float(high), Vector512.Load(y + 16)).Store(y + 16);
            (low, high) = Vector512.Widen(Vector512.Load(weights + 32));
            Vector512.FusedMultiplyAdd(s2, Float(low), Vector512.Load(y + 32)).Store(y + 32);
            Vector512.FusedMultiplyAdd(s3, Float(high), Vector512.Load(y + 48)).Store(y + 48);
        }
    }

    /// <summary>One input feature of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        byte* unit, int quad, int k, float x, ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3)
    {
        var v = Vector512.Create(x);
        a0 = Vector512.FusedMultiplyAdd(v, Weight(unit, quad, 0, k), a0);
        a1 = Vector512.FusedMultiplyAdd(v, Weight(unit, quad, 1, k), a1);
        a2 = Vector512.FusedMultiplyAdd(v, Weight(unit, quad, 2, k), a2);
        a3 = Vector512.FusedMultiplyAdd(v, Weight(unit, quad, 3, k), a3);
    }

    /// <summary>One input feature of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        byte* unit, int quad, int k, float x0, float x1, float x2, float x3,
        ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3,
        ref Vector512<float> b0, ref Vector512<float> b1, ref Vector512<float> b2, ref Vector512<float> b3,
        ref Vector512<float> c0, ref Vector512<float> c1, ref Vector512<float> c2, ref Vector512<float> c3,
        ref Vector512<float> d0, ref Vector512<float> d1, ref Vector512<float> d2, ref Vector512<float> d3)
    {
        Vector512<float> w0 = Weight(unit, quad, 0, k), w1 = Weight(unit, quad, 1, k), w2 = Weight(unit, quad, 2, k), w3 = Weight(unit, quad, 3, k);
        var v = Vector512.Create(x0);
        a0 = Vector512.FusedMultiplyAdd(v, w0, a0);
        a1 = Vector512.FusedMultiplyAdd(v, w1, a1);
        a2 = Vector512.FusedMultiplyAdd(v, w2, a2);
        a3 = Vector512.FusedMultiplyAdd(v, w3, a3);
        v = Vector512.Create(x1);
        b0 = Vector512.FusedMultiplyAdd(v, w0, b0);
        b1 = Vector512.FusedMultiplyAdd(v, w1, b1);
        b2 = Vector512.FusedMultiplyAdd(v, w2, b2);
        b3 = Vector512.FusedMultiplyAdd(v, w3, b3);
        v = Vector512.Create(x2);
        c0 = Vector512.FusedMultiplyAdd(v, w0, c0);
        c1 = Vector512.FusedMultiplyAdd(v, w1, c1);
        c2 = Vector512.FusedMultiplyAdd(v, w2, c2);
        c3 = Vector512.FusedMultiplyAdd(v, w3, c3);
        v = Vector512.Create(x3);
        d0 = Vector512.FusedMultiplyAdd(v, w0, d0);
        d1 = Vector512.FusedMultiplyAdd(v, w1, d1);
        d2 = Vector512.FusedMultiplyAdd(v, w2, d2);
        d3 = Vector512.FusedMultiplyAdd(v, w3, d3);
    }

    /// <summary>One input feature's codes of 16 outputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Weight(byte* unit, int quad, int part, int k) =>
        Vector512.ConvertToSingle(T.Signed(T.Load512(unit, quad, part), k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Broadcast(byte* values) => Vector512.Create(*(int*)values).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<byte> Mask(byte* values) => T.Masked ? Broadcast(values + _valueBytes) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scaled(Vector512<float> y, Vector512<int> sum, Vector512<uint> weightScale, Vector512<float> rowScale) =>
        Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sum), Float(weightScale) * rowScale, y);

    /// <summary>bfloat16 in the lower halves of 32-bit lanes, as fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Float(Vector512<uint> scales) => Vector512.ShiftLeft(scales, 16).AsSingle();
}
