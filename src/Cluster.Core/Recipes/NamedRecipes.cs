using Cluster.Core.Errors;
using Cluster.Core.Models;

namespace Cluster.Core.Recipes;

/// <summary>The recipes that have a name.</summary>
public static class NamedRecipes
{
    private static readonly Dictionary<string, Func<Recipe>> s_recipes = new(StringComparer.Ordinal)
    {
        ["demo"] = Demo,
        ["shakespeare-char"] = ShakespeareChar,
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => s_recipes.Keys;

    /// <summary>Whether a recipe has that name.</summary>
    public static bool Has(string name) => s_recipes.ContainsKey(name);

    /// <exception cref="UserErrorException">No recipe has that name.</exception>
    public static Recipe Get(string name) => s_recipes.TryGetValue(name, out var make)
        ? make()
        : throw new UserErrorException($"No recipe is called \"{name}\".", $"Give one of {string.Join(", ", Names)}, or a file's path.");

    /// <summary>
    /// A small assistant for the .NET class library, sized for minutes on two cores. A run of so many minutes sets its steps anew; what
    /// stands here is for <c>train</c>.
    /// </summary>
    private static Recipe Demo() => new()
    {
        Name = "demo",
        Tokenizer = new TokenizerRecipe { Vocabulary = 4_096 },
        Model = new ModelShape { Layers = 4, Width = 256, Heads = 8, Context = 256, FeedForward = 688 },
        Training = new TrainingRecipe { Steps = 3_000, Lanes = 4, MicroBatch = 2, LearningRate = 1.5e-3, EvaluationTokens = 65_536 },
        FineTuning = new FineTuningRecipe { Steps = 800, MicroBatch = 4, LearningRate = 1e-3 },
    };

    /// <summary>
    /// The CPU recipe of nanoGPT's README for Tiny Shakespeare (4 layers, 4 heads, width 128, context 64, batch 12, 2,000 steps, no
    /// dropout, one token per character), its batch as 6 lanes of 2; published there: 1.88 nats per character.
    /// </summary>
    private static Recipe ShakespeareChar() => new()
    {
        Name = "shakespeare-char",
        Corpus = new CorpusRecipe { ValidationFraction = 0.1, TestFraction = 0 },
        Tokenizer = new TokenizerRecipe { Kind = TokenizerKind.Characters },
        Model = new ModelShape
        {
            Layers = 4,
            Heads = 4,
            Width = 128,
            Context = 64,
            Activation = Activation.Gelu,
            Positions = PositionEncoding.Learned,
        },
        Training = new TrainingRecipe
        {
            Steps = 2_000,
            Lanes = 6,
            MicroBatch = 2,
            LearningRate = 1e-3,
            Beta2 = 0.99,
            EvaluateEvery = 250,
            EvaluationTokens = 15_360,
            CheckpointEvery = 1_000,
        },
        Phases =
        [
            new PhaseRecipe { Name = "warm_up", Fraction = 0.05, RateStart = 0 },
            new PhaseRecipe { Name = "decay", Fraction = 0.95, RateEnd = 0.1, Curve = RateCurve.Cosine },
        ],
    };
}
