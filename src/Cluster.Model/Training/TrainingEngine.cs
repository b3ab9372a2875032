// One replica's numbers: parameters, moments and the model that turns lane batches into gradients.
// Enters: lane batches, reduced gradients. Leaves: lane gradients, losses, state as spans.
// Does not know: other replicas, schedules, files, grains. One thread at a time; that thread is the caller's.
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Model.Gpt;
using Cluster.Model.Kernels;
using Cluster.Model.Optimizer;
using Cluster.Model.Runtime;

namespace Cluster.Model.Training;

/// <summary>A fixed-shape piece of work: whole sequences of one context length.</summary>
/// <param name="Tokens">Ids, sequence after sequence.</param>
/// <param name="Targets">The id that follows each.</param>
/// <param name="Mask">0 leaves a token's loss out.</param>
/// <param name="Context">Tokens of one sequence; divides the number of tokens.</param>
public sealed record MicroBatch(int[] Tokens, int[] Targets, byte[] Mask, int Context);

/// <summary>What decides the engine's bits besides data and seed.</summary>
/// <param name="Shape">The model.</param>
/// <param name="Precision">Storage of activations.</param>
/// <param name="MicroBatchTokens">Tokens of every micro-batch.</param>
/// <param name="Optimizer">AdamW's constants.</param>
/// <param name="Threads">Threads of one matrix product.</param>
/// <param name="Checkpointing">What of a block is kept for its backward pass.</param>
public sealed record EngineOptions(
    ModelShape Shape, Precision Precision, int MicroBatchTokens, AdamWOptions Optimizer, int Threads = 1, ActivationCheckpointing Checkpointing = ActivationCheckpointing.None)
{
    /// <summary>A recipe's engine.</summary>
    /// <param name="recipe">Resolved.</param>
    /// <param name="microBatchTokens">Tokens of every micro-batch of the stage.</param>
    public static EngineOptions Of(Recipe recipe, int microBatchTokens)
    {
        var t = recipe.Training;
        return new EngineOptions(recipe.Model, t.Precision, microBatchTokens, new AdamWOptions(t.Beta1, t.Beta2, t.Epsilon, t.WeightDecay, t.ClipNorm),
            t.ThreadsPerReplica, t.ActivationCheckpointing);
    }
}

/// <summary>A training engine over flat vectors on the CPU.</summary>
public sealed unsafe class TrainingEngine : IDisposable
{
    /// <summary>Elements previewed at a time; what is thrown away of them stays in cache.</summary>
    private const int PreviewBlock = 1 << 13;

    private readonly EngineOptions _options;
    private readonly IModel _model;
    private readonly NativeVector _parameters, _first, _second;
    private readonly float[] _losses;
    private readonly ulong _seed;
    private NativeVector? _scratch;

    /// <param name="options">Shape, precision, sizes.</param>
    /// <param name="seed">The run's seed; decides the initial parameters.</param>
    public TrainingEngine(EngineOptions options, ulong seed)
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.SetThreads(options.Threads);
        options.Shape.Validate();
        if (options.Precision == Precision.Auto)
            throw new ArgumentException("a precision is resolved before an engine is made", nameof(options));
        (_options, _seed) = (options, seed);
        Layout = new ParameterLayout(options.Shape);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Layout.TotalCount, Array.MaxLength);
        Length = (int)Layout.TotalCount;
        _parameters = new NativeVector(Length);
        _first = new NativeVector(Length, whole: false);
        _second = new NativeVector(Length, whole: false);
        _losses = new float[options.MicroBatchTokens];
        var chunk = LogitChunk.RowsOf(options.MicroBatchTokens, Layout.Shape.Vocabulary);
        _model = options.Precision == Precision.Bf16
            ? new Model<Bf16>(new FusedGpt<Bf16>(Layout, options.MicroBatchTokens, chunk, _parameters.Pointer, options.Threads, options.Checkpointing))
            : new Model<Fp32>(new FusedGpt<Fp32>(Layout, options.MicroBatchTokens, chunk, _parameters.Pointer, options.Threads, options.Checkpointing));
        Reset();
    }

    /// <summary>Names and places of the parameters.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Length of every flat vector.</summary>
    public int Length { get; }

    /// <summary>The flat parameters; call <see cref="ParametersChanged"/> after writing to them.</summary>
    public Span<float> Parameters => _parameters.GetSpan();

    /// <summary>AdamW's first moments.</summary>
    public Span<float> FirstMoments => _first.GetSpan();

    /// <summary>AdamW's second moments.</summary>
    public Span<float> SecondMoments => _second.GetSpan();

    /// <summary>The whole state: parameters, first and second moments, to be read or written from outside between two steps.</summary>
    public IReadOnlyList<Memory<float>> State => [_parameters.Memory, _first.Memory, _second.Memory];

    /// <summary>Bytes of the parameters and of the copy of them that products read.</summary>
    public long WeightBytes => Length * (sizeof(float) + (_options.Precision == Precision.Bf16 ? (long)sizeof(ushort) : sizeof(float)));

    /// <summary>Stopwatch ticks spent in matrix products.</summary>
    public long ProductTicks => _model.ProductTicks;

    /// <summary>Bytes of native memory for the activations of a micro-batch and their gradients.</summary>
    public long ActivationBytes => _model.ActivationBytes;

    /// <summary>
    /// Writes scale · d(Σ of unmasked token losses)/d(parameters) to the gradient, or adds it, and returns that sum of losses, in nats,
    /// as a double. A lane's first micro-batch is written, which spares a pass that clears the vector and one that reads it.
    /// </summary>
    /// <param name="batch">As many tokens as the options say.</param>
    /// <param name="scale">1 / (unmasked tokens of the whole step).</param>
    /// <param name="gradient">Of length <see cref="Length"/>.</param>
    /// <param name="add">Whether to add to what the gradient holds.</param>
    public double Gradient(MicroBatch batch, double scale, Span<float> gradient, bool add)
    {
        if (gradient.Length != Length)
            throw new ArgumentException($"gradient has {gradient.Length} elements, not {Length}", nameof(gradient));
        fixed (float* g = gradient)
            _model.Run(batch, (float)scale, _losses, g, add);
        return Sum(_losses);
    }

    /// <summary>The sum of unmasked token losses, in nats, without a gradient.</summary>
    public double Loss(MicroBatch batch)
    {
        _model.Run(batch, 0, _losses, null, add: false);
        return Sum(_losses);
    }

    /// <summary>Negative log-likelihood of every target, in nats; 0 where masked. Valid until the next call.</summary>
    public ReadOnlySpan<float> TokenLosses(MicroBatch batch)
    {
        _model.Run(batch, 0, _losses, null, add: false);
        return _losses;
    }

    /// <summary>Logits of every token of a micro-batch, [tokens, vocabulary].</summary>
    public float[] Logits(MicroBatch batch)
    {
        var logits = new float[(long)batch.Tokens.Length * Layout.Shape.Vocabulary];
        _model.Logits(batch, logits);
        return logits;
    }

    /// <summary>The Euclidean norm of a gradient, summed over fixed blocks in order.</summary>
    public static double Norm(ReadOnlySpan<float> gradient) => AdamW.Norm(gradient);

    /// <summary>Clips and applies a reduced gradient.</summary>
    /// <param name="gradient">The mean gradient of the whole step.</param>
    /// <param name="norm">Its norm before clipping, as <see cref="Norm"/> gives it.</param>
    /// <param name="learningRate">At least 0.</param>
    /// <param name="step">Counted from 1.</param>
    public void Apply(ReadOnlySpan<float> gradient, double norm, double learningRate, long step) => Apply(0, gradient, norm, learningRate, step);

    /// <summary>Clips and applies a part of a reduced gradient. Every element is treated alike, so the bits do not depend on the parts.</summary>
    /// <param name="start">The part's first element, a multiple of 16.</param>
    /// <param name="gradient">The part, a multiple of 16 long.</param>
    /// <param name="norm">Of the whole gradient.</param>
    /// <param name="learningRate">At least 0.</param>
    /// <param name="step">Counted from 1.</param>
    public void Apply(int start, ReadOnlySpan<float> gradient, double norm, double learningRate, long step)
    {
        RequirePart(start, gradient.Length);
        var all = All.From(start);
        _model.Apply(gradient, all, all, start, Layout.DecayedCount, _options.Optimizer, learningRate, norm, step);
    }

    /// <summary>
    /// Computes what <see cref="Apply(int, ReadOnlySpan{float}, double, double, long)"/> would make of a part of the parameters, and changes nothing.
    /// </summary>
    /// <param name="start">As there.</param>
    /// <param name="gradient">As there.</param>
    /// <param name="norm">As there.</param>
    /// <param name="learningRate">As there.</param>
    /// <param name="step">As there.</param>
    /// <param name="updated">As long as the part.</param>
    public void Preview(int start, ReadOnlySpan<float> gradient, double norm, double learningRate, long step, Span<float> updated)
    {
        RequirePart(start, gradient.Length);
        _scratch ??= new NativeVector(3 * PreviewBlock);
        var room = _scratch.Pointer;
        fixed (float* target = updated)
        {
            for (var i = 0; i < gradient.Length; i += PreviewBlock)
            {
                var count = Math.Min(PreviewBlock, gradient.Length - i);
                _model.Preview(gradient.Slice(i, count), All.From(start + i), new AdamW.Vectors(target + i, room, room + PreviewBlock), room + (2 * PreviewBlock),
                    Layout.DecayedCount - start - i, _options.Optimizer, learningRate, norm, step);
            }
        }
    }

    /// <summary>Takes a part of the parameters that was computed elsewhere.</summary>
    /// <param name="start">Its first element, a multiple of 16.</param>
    /// <param name="parameters">The part, a multiple of 16 long.</param>
    public void Take(int start, ReadOnlySpan<float> parameters)
    {
        RequirePart(start, parameters.Length);
        parameters.CopyTo(Parameters[start..]);
        _model.RoundParameters(start, parameters.Length);
    }

    /// <summary>Drops a part of both moments: they read as zeros, and take no memory until they are written to.</summary>
    public void ReleaseMoments(int start, int count)
    {
        _first.Release(start, count);
        _second.Release(start, count);
    }

    /// <summary>The seed's initial parameters, and no moments.</summary>
    public void Reset()
    {
        ParameterInitialiser.Fill(Parameters, Layout, _seed);
        ReleaseMoments(0, Length);
        ParametersChanged();
    }

    /// <summary>To be called after the parameters were written from outside.</summary>
    public void ParametersChanged() => _model.RoundParameters();

    /// <inheritdoc/>
    public void Dispose()
    {
        _model.Dispose();
        // The vectors are freed when nobody can read them any more; not before this.
        GC.KeepAlive(_parameters);
    }

    private AdamW.Vectors All => new(_parameters.Pointer, _first.Pointer, _second.Pointer);

    private void RequirePart(int start, int length)
    {
        if (start % 16 != 0 || length % 16 != 0 || start < 0 || start + length > Length)
            throw new ArgumentException($"elements {start} to {start + length} of {Length} are no part on bounds of 16", nameof(start));
    }

    private static double Sum(float[] losses)
    {
        double sum = 0;
        foreach (var loss in losses)
            sum += loss;
        return sum;
    }

    /// <summary>The model without its element type.</summary>
    private interface IModel : IDisposable
    {
        long ProductTicks { get; }

        long ActivationBytes { get; }

        void Run(MicroBatch batch, float scale, float[] losses, float* gradient, bool add);

        void Logits(MicroBatch batch, float[] logits);

        void Apply(ReadOnlySpan<float> gradient, AdamW.Vectors from, AdamW.Vectors to, int start, long decayed, AdamWOptions options, double rate, double norm, long step);

        void Preview(
            ReadOnlySpan<float> gradient, AdamW.Vectors from, AdamW.Vectors to, float* cast, long decayed, AdamWOptions options, double rate, double norm, long step);

        void RoundParameters();

        void RoundParameters(int start, int count);
    }

    private sealed class Model<T>(FusedGpt<T> gpt) : IModel
        where T : unmanaged, IElement<T>
    {
        public long ProductTicks => gpt.ProductTicks;

        public long ActivationBytes => gpt.ActivationBytes;

        public void Run(MicroBatch batch, float scale, float[] losses, float* gradient, bool add) =>
            gpt.Run(batch.Tokens, batch.Targets, batch.Mask, batch.Context, scale, losses, gradient, add);

        public void Logits(MicroBatch batch, float[] logits) => gpt.Logits(batch.Tokens, batch.Context, logits);

        public void Apply(ReadOnlySpan<float> gradient, AdamW.Vectors from, AdamW.Vectors to, int start, long decayed, AdamWOptions options, double rate, double norm, long step) =>
            AdamW.Apply(gradient, from, to, gpt.Cast + start, decayed - start, options, rate, norm, step);

        public void Preview(
            ReadOnlySpan<float> gradient, AdamW.Vectors from, AdamW.Vectors to, float* cast, long decayed, AdamWOptions options, double rate, double norm, long step) =>
            AdamW.Apply(gradient, from, to, (T*)cast, decayed, options, rate, norm, step);

        public void RoundParameters() => gpt.RoundParameters();

        public void RoundParameters(int start, int count) => gpt.RoundParameters(start, count);

        public void Dispose() => gpt.Dispose();
    }
}
