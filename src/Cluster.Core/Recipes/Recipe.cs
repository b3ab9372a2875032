using Cluster.Core.Errors;
using Cluster.Core.Models;

namespace Cluster.Core.Recipes;

/// <summary>
/// Everything that decides a result besides the data: model, tokenizer, schedule, optimizer, lanes. Hosts, paths and the number of
/// replicas are not in it. Immutable; JSON in snake_case (<see cref="RecipeJson"/>).
/// </summary>
public sealed record Recipe
{
    /// <summary>Changes that a recipe may have.</summary>
    public const int MostChanges = 256;

    /// <summary>A label for reports; 1–64 characters of a–z, A–Z, 0–9, '-', '_' and '.'.</summary>
    public string Name { get; init; } = "custom";

    /// <summary>Keys every random number.</summary>
    public ulong Seed { get; init; } = 1337;

    /// <summary>How text becomes documents.</summary>
    public CorpusRecipe Corpus { get; init; } = new();

    /// <summary>How documents become tokens.</summary>
    public TokenizerRecipe Tokenizer { get; init; } = new();

    /// <summary>The model.</summary>
    public ModelShape Model { get; init; } = new();

    /// <summary>Pre-training.</summary>
    public TrainingRecipe Training { get; init; } = new();

    /// <summary>The phases of pre-training, in order.</summary>
    public IReadOnlyList<PhaseRecipe> Phases { get; init; } = PhaseRecipe.Default;

    /// <summary>What pre-training does differently from a step on, in order of the steps, at most <see cref="MostChanges"/>.</summary>
    public IReadOnlyList<RecipeChange> Changes { get; init; } = [];

    /// <summary>Fine-tuning for dialogue, after pre-training.</summary>
    public FineTuningRecipe FineTuning { get; init; } = new();

    /// <summary>
    /// The recipe with everything written out that was left to the data or the machine: nothing is decided after this, so its hash
    /// names the result.
    /// </summary>
    /// <param name="vocabulary">The tokenizer's ids.</param>
    /// <param name="rowLength">Tokens of a dialogue's row, from the data; not used where the recipe says it.</param>
    /// <param name="precision">What automatic precision means here.</param>
    public Recipe Resolved(int vocabulary, int rowLength, Precision precision)
    {
        var padded = (vocabulary + 15) / 16 * 16;
        if (Model.Vocabulary != 0 && Model.Vocabulary < padded)
        {
            throw new UserErrorException($"model.vocabulary is {Model.Vocabulary}, fewer than the tokenizer's {vocabulary} ids.",
                $"Give 0 to take the tokenizer's, or at least {padded}.");
        }

        var fineTuning = FineTuning with { RowLength = FineTuning.Steps == 0 ? 0 : FineTuning.RowLength == 0 ? rowLength : FineTuning.RowLength };
        var longest = Math.Max(Model.Context * Phases.Max(p => p.ContextFactor), fineTuning.RowLength);
        var resolved = this with
        {
            Model = (Model with
            {
                Vocabulary = Model.Vocabulary == 0 ? padded : Model.Vocabulary,
                MaxContext = Math.Max(Model.MaxContext, longest),
            }).Resolved(),
            Training = Training with { Precision = Training.Precision == Precision.Auto ? precision : Training.Precision },
            FineTuning = fineTuning,
        };
        resolved.Validate();
        return resolved;
    }

    /// <summary>Checks every field.</summary>
    /// <exception cref="UserErrorException">A field is out of range; the message names field, value and range.</exception>
    public void Validate()
    {
        if (Name.Length is < 1 or > 64 || !Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new UserErrorException($"name is \"{Name}\".", "Give 1 to 64 letters, digits, '-', '_' or '.'.");
        Corpus.Validate();
        Tokenizer.Validate();
        Model.Validate();
        Training.Validate();
        if (Phases.Count is < 1 or > 16)
            throw new UserErrorException($"phases has {Phases.Count} entries.", "Give 1 to 16.");
        foreach (var phase in Phases)
            phase.Validate(this);
        FineTuning.Validate();
        var sum = Phases.Sum(p => p.Fraction);
        if (Math.Abs(sum - 1) > 1e-9)
            throw new UserErrorException($"The fractions of phases sum to {sum:R}.", "Make them sum to 1.");
        if (Changes.Count > MostChanges)
            throw new UserErrorException($"changes has {Changes.Count} entries.", $"Give at most {MostChanges}.");
        for (var i = 0; i < Changes.Count; i++)
            Changes[i].Validate(i, this);
    }
}

/// <summary>How text becomes documents, and which are held out.</summary>
public sealed record CorpusRecipe
{
    /// <summary>Bytes of source text to read at most; 0 reads all.</summary>
    public long MaxBytes { get; init; }

    /// <summary>Share of document groups held out for validation, 0.001–0.5.</summary>
    public double ValidationFraction { get; init; } = 0.05;

    /// <summary>Share of document groups held out for tests, 0–0.5.</summary>
    public double TestFraction { get; init; } = 0.05;

    internal void Validate()
    {
        Limits.Check("corpus.max_bytes", MaxBytes, 0, long.MaxValue);
        Limits.Check("corpus.validation_fraction", ValidationFraction, 0.001, 0.5);
        Limits.Check("corpus.test_fraction", TestFraction, 0, 0.5);
    }
}

/// <summary>What a token is.</summary>
public enum TokenizerKind
{
    /// <summary>Byte-level byte-pair encoding.</summary>
    Bpe,

    /// <summary>One token per byte.</summary>
    Bytes,

    /// <summary>One token per character of the corpus.</summary>
    Characters,
}

/// <summary>How documents become tokens.</summary>
public sealed record TokenizerRecipe
{
    /// <summary>What a token is.</summary>
    public TokenizerKind Kind { get; init; } = TokenizerKind.Bpe;

    /// <summary>Ids asked for, special tokens included, 272–1,000,000; used by <see cref="TokenizerKind.Bpe"/> only.</summary>
    public int Vocabulary { get; init; } = 4_096;

    internal void Validate() => Limits.Check("tokenizer.vocabulary", Vocabulary, 272, 1_000_000);
}

/// <summary>Pre-training: sizes, optimizer, how often to look and to save.</summary>
public sealed record TrainingRecipe
{
    /// <summary>Optimizer steps, 1–100,000,000.</summary>
    public int Steps { get; init; } = 1_000;

    /// <summary>Virtual data-parallel ranks, 1–65,536; more replicas than lanes idle.</summary>
    public int Lanes { get; init; } = 4;

    /// <summary>
    /// Sequences of the base context in one micro-batch, 1–4,096. Activations take memory for one micro-batch at a time; a lane adds the
    /// gradients of as many as its phase says (<see cref="PhaseRecipe.MicroBatchesStart"/>): gradient accumulation.
    /// </summary>
    public int MicroBatch { get; init; } = 4;

    /// <summary>Peak learning rate, above 0 and at most 1.</summary>
    public double LearningRate { get; init; } = 3e-3;

    /// <summary>AdamW's β₁, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's β₂, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>AdamW's ε, above 0 and at most 0.01.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay of matrices, 0–1.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Largest gradient norm, 0–1,000; 0 switches clipping off.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Storage of activations.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>What of a block is kept for its backward pass: less memory for more time, the same bits.</summary>
    public ActivationCheckpointing ActivationCheckpointing { get; init; } = ActivationCheckpointing.None;

    /// <summary>How lane gradients are stored and sent on their way up the tree: half the bytes for other, coarser bits.</summary>
    public ReductionPrecision ReductionPrecision { get; init; } = ReductionPrecision.Fp32;

    /// <summary>Threads of one matrix product, 1–256. Part of the numbers: another count may round otherwise.</summary>
    public int ThreadsPerReplica { get; init; } = 1;

    /// <summary>
    /// Whether each replica keeps the moments of a part of the parameters only: its own part and, as a buddy, another replica's (ZeRO-1:
    /// Rajbhandari et al., 2020). It saves memory from three replicas on; no bit depends on it, and a checkpoint of either kind continues the other.
    /// </summary>
    public bool ShardedOptimizer { get; init; }

    /// <summary>Steps between validations, 0–100,000,000; 0 validates at the end only.</summary>
    public int EvaluateEvery { get; init; } = 100;

    /// <summary>Validation tokens of one evaluation, 1–1,000,000,000; rounded up to whole micro-batches per lane.</summary>
    public long EvaluationTokens { get; init; } = 65_536;

    /// <summary>Steps between checkpoints, 0–100,000,000; 0 saves at the end only.</summary>
    public int CheckpointEvery { get; init; } = 200;

    /// <summary>Checkpoints kept, 1–1,000.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Validations without a better loss after which the run stops, 0–1,000; 0 never stops early.</summary>
    public int Patience { get; init; }

    internal void Validate()
    {
        Limits.Check("training.steps", Steps, 1, 100_000_000);
        Limits.Check("training.lanes", Lanes, 1, 65_536);
        Limits.Check("training.micro_batch", MicroBatch, 1, 4_096);
        Limits.Check("training.learning_rate", LearningRate, double.Epsilon, 1);
        Limits.Check("training.beta1", Beta1, 0, Math.BitDecrement(1.0));
        Limits.Check("training.beta2", Beta2, 0, Math.BitDecrement(1.0));
        Limits.Check("training.epsilon", Epsilon, double.Epsilon, 0.01);
        Limits.Check("training.weight_decay", WeightDecay, 0, 1);
        Limits.Check("training.clip_norm", ClipNorm, 0, 1_000);
        Limits.Check("training.threads_per_replica", ThreadsPerReplica, 1, 256);
        Limits.Check("training.evaluate_every", EvaluateEvery, 0, 100_000_000);
        Limits.Check("training.evaluation_tokens", EvaluationTokens, 1, 1_000_000_000);
        Limits.Check("training.checkpoint_every", CheckpointEvery, 0, 100_000_000);
        Limits.Check("training.keep_checkpoints", KeepCheckpoints, 1, 1_000);
        Limits.Check("training.patience", Patience, 0, 1_000);
        if (ShardedOptimizer && ReductionPrecision != ReductionPrecision.Fp32)
        {
            throw new UserErrorException("training.sharded_optimizer is true and training.reduction_precision is bf16: parameters are exchanged where sums lie, and have no room there in bf16.",
                "Set one of them to its default, false or fp32.");
        }
    }
}

/// <summary>
/// Fine-tuning for dialogue: rows of one conversation each, loss on the assistant's tokens only. Lanes, precision, checkpointing,
/// reduction and AdamW's constants are training's; the moments start anew.
/// </summary>
public sealed record FineTuningRecipe
{
    /// <summary>Optimizer steps, 0–100,000,000; 0 leaves the stage out.</summary>
    public int Steps { get; init; }

    /// <summary>Conversations of one lane and step, 1–4,096.</summary>
    public int MicroBatch { get; init; } = 8;

    /// <summary>Tokens of a row, a multiple of 16 up to 1,048,576; 0 takes the percentile of the conversations' lengths.</summary>
    public int RowLength { get; init; }

    /// <summary>Share of conversations that fit into a row whole, in percent, 50–100; longer ones are cut.</summary>
    public double RowPercentile { get; init; } = 95;

    /// <summary>Peak learning rate, above 0 and at most 1.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Share of the steps in which the rate rises from 0, 0–1.</summary>
    public double WarmUp { get; init; } = 0.05;

    /// <summary>Rate at the end as a share of the peak, 0–1; it falls in equal parts.</summary>
    public double RateEnd { get; init; } = 0.05;

    /// <summary>Steps between validations, 0–100,000,000; 0 validates at the end only.</summary>
    public int EvaluateEvery { get; init; } = 100;

    /// <summary>Steps between checkpoints, 0–100,000,000; 0 saves at the end only.</summary>
    public int CheckpointEvery { get; init; } = 200;

    internal void Validate()
    {
        Limits.Check("fine_tuning.steps", Steps, 0, 100_000_000);
        Limits.Check("fine_tuning.micro_batch", MicroBatch, 1, 4_096);
        Limits.Check("fine_tuning.row_length", RowLength, 0, 1_048_576);
        if (RowLength % 16 != 0)
            throw new UserErrorException($"fine_tuning.row_length is {RowLength}.", "Give a multiple of 16, or 0 to take it from the data.");
        Limits.Check("fine_tuning.row_percentile", RowPercentile, 50, 100);
        Limits.Check("fine_tuning.learning_rate", LearningRate, double.Epsilon, 1);
        Limits.Check("fine_tuning.warm_up", WarmUp, 0, 1);
        Limits.Check("fine_tuning.rate_end", RateEnd, 0, 1);
        Limits.Check("fine_tuning.evaluate_every", EvaluateEvery, 0, 100_000_000);
        Limits.Check("fine_tuning.checkpoint_every", CheckpointEvery, 0, 100_000_000);
    }
}

/// <summary>How a phase's learning rate goes from its start to its end.</summary>
public enum RateCurve
{
    /// <summary>In equal parts.</summary>
    Linear,

    /// <summary>Along half a cosine (Loshchilov and Hutter, "SGDR", 2017).</summary>
    Cosine,
}

/// <summary>Which training documents a phase reads.</summary>
public enum PhaseData
{
    /// <summary>All of them.</summary>
    All,

    /// <summary>The best decile by quality score.</summary>
    Best,
}

/// <summary>A stretch of pre-training with its own rate, batch, context and data.</summary>
public sealed record PhaseRecipe
{
    /// <summary>
    /// Warm-up 1 %, bulk 79 % at the peak with a growing batch, annealing 10 % on the best data down to a tenth of the peak, long
    /// context 10 % at the annealed rate.
    /// </summary>
    public static IReadOnlyList<PhaseRecipe> Default { get; } =
    [
        new() { Name = "warm_up", Fraction = 0.01, RateStart = 0, RateEnd = 1 },
        new() { Name = "bulk", Fraction = 0.79, MicroBatchesStart = 1, MicroBatchesEnd = 2 },
        new() { Name = "annealing", Fraction = 0.10, RateStart = 1, RateEnd = 0.1, Curve = RateCurve.Cosine, MicroBatchesStart = 2, MicroBatchesEnd = 2, Data = PhaseData.Best },
        new() { Name = "long_context", Fraction = 0.10, RateStart = 0.1, RateEnd = 0.1, MicroBatchesStart = 2, MicroBatchesEnd = 2, ContextFactor = 2 },
    ];

    /// <summary>A label for metrics, 1–64 characters.</summary>
    public string Name { get; init; } = "";

    /// <summary>Share of the steps, above 0 and at most 1; all together sum to 1.</summary>
    public double Fraction { get; init; }

    /// <summary>Rate at the start, as a share of the peak, 0–1.</summary>
    public double RateStart { get; init; } = 1;

    /// <summary>Rate at the end, as a share of the peak, 0–1.</summary>
    public double RateEnd { get; init; } = 1;

    /// <summary>How the rate goes from start to end.</summary>
    public RateCurve Curve { get; init; } = RateCurve.Linear;

    /// <summary>
    /// Micro-batches per lane and step at the start, 1–4,096; their gradients are added up (gradient accumulation), so that a step's tokens
    /// grow and its memory does not.
    /// </summary>
    public int MicroBatchesStart { get; init; } = 1;

    /// <summary>Micro-batches per lane and step at the end, 1–4,096; in between it grows in equal stretches.</summary>
    public int MicroBatchesEnd { get; init; } = 1;

    /// <summary>Sequences are this many base contexts long, 1–64; a divisor of training.micro_batch, so that micro-batches keep their shape.</summary>
    public int ContextFactor { get; init; } = 1;

    /// <summary>Which documents.</summary>
    public PhaseData Data { get; init; } = PhaseData.All;

    internal void Validate(Recipe recipe)
    {
        if (Name.Length is < 1 or > 64)
            throw new UserErrorException($"phases[].name is \"{Name}\".", "Give 1 to 64 characters.");
        Limits.Check($"phases[{Name}].fraction", Fraction, double.Epsilon, 1);
        Limits.Check($"phases[{Name}].rate_start", RateStart, 0, 1);
        Limits.Check($"phases[{Name}].rate_end", RateEnd, 0, 1);
        Limits.Check($"phases[{Name}].micro_batches_start", MicroBatchesStart, 1, 4_096);
        Limits.Check($"phases[{Name}].micro_batches_end", MicroBatchesEnd, 1, 4_096);
        Limits.Check($"phases[{Name}].context_factor", ContextFactor, 1, 64);
        if (recipe.Training.MicroBatch % ContextFactor != 0)
        {
            throw new UserErrorException($"phases[{Name}].context_factor is {ContextFactor}, which does not divide training.micro_batch {recipe.Training.MicroBatch}.",
                $"Give a divisor of {recipe.Training.MicroBatch}.");
        }
    }
}
