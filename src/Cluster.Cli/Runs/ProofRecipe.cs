using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Data.Corpus;

namespace Cluster.Cli.Runs;

/// <summary>The demo's recipe in small, for runs that are trained to be compared: same data, same code, a minute instead of ten.</summary>
internal static class ProofRecipe
{
    private static readonly string[] s_texts = ["System.Linq", "System.Collections"];

    /// <param name="name">The recipe's.</param>
    /// <param name="steps">Of pre-training; there is no fine-tuning.</param>
    public static Recipe Of(string name, int steps) => NamedRecipes.Get("demo") with
    {
        Name = name,
        Model = new ModelShape { Layers = 2, Width = 128, Heads = 4, Context = 128, FeedForward = 256 },
        Tokenizer = new TokenizerRecipe { Vocabulary = 1024 },
        Training = NamedRecipes.Get("demo").Training with { Steps = steps, Lanes = 4, MicroBatch = 2 },
        FineTuning = new FineTuningRecipe { Steps = 0 },
    };

    /// <summary>Copies a part of the demo's corpus.</summary>
    /// <param name="folder">Where to.</param>
    /// <returns>The corpus's own folder.</returns>
    public static string WriteCorpus(string folder)
    {
        var path = Directory.CreateDirectory(Path.Combine(folder, "corpus")).FullName;
        foreach (var file in new DotnetReferenceSource(assemblies: s_texts).Paths)
            File.Copy(file, Path.Combine(path, Path.GetFileName(file)), overwrite: true);
        return path;
    }
}
