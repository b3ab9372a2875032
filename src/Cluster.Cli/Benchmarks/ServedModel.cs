using Cluster.Core.Checkpoints;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Benchmarks;

/// <summary>A run's folder for the serving benchmark: one that was trained, or one of a benchmark's shape with initial weights.</summary>
internal static class ServedModel
{
    /// <summary>Makes a trained run a model below another folder, where it is not touched.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="Core.Errors.UserErrorException">There is no run.</exception>
    public static string Link(string root, RunFolder run)
    {
        run.Required();
        Directory.CreateSymbolicLink(Path.Combine(root, run.Name), run.Path);
        return run.Name;
    }

    /// <summary>Writes a model that knows nothing, one token per byte: all that its speed needs.</summary>
    /// <returns>Its name.</returns>
    public static string Write(string root, string name, ModelShape shape)
    {
        var tokenizer = BytePairTokenizer.OfBytes();
        var recipe = BenchmarkShape.Get("S") with { Model = shape, Tokenizer = new TokenizerRecipe { Kind = TokenizerKind.Bytes }, FineTuning = new FineTuningRecipe { Steps = 0 } };
        recipe = recipe.Resolved(tokenizer.VocabularySize, 0, Precision.Fp32);
        var folder = new RunFolder(Path.Combine(root, name));
        Directory.CreateDirectory(folder.Path);
        File.WriteAllText(folder.Recipe, RecipeJson.Indented(recipe));
        TokenizerFile.Save(tokenizer, folder.Tokenizer);
        var layout = new ParameterLayout(recipe.Model);
        float[] parameters = new float[layout.TotalCount], moments = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        // As they are drawn they say the same whatever came before.
        foreach (var parameter in layout.Parameters.Where(p => p.IsMatrix))
        {
            foreach (ref var value in parameters.AsSpan((int)parameter.Offset, (int)parameter.Count))
                value *= 4;
        }

        var state = new CheckpointState(StageNames.Pretraining, 1, 1, 1, RecipeJson.Hash(recipe), null, 0);
        new CheckpointStore(folder.Checkpoints(StageNames.Pretraining), recipe.Training.KeepCheckpoints).Save(state, layout, parameters, moments, moments);
        return folder.Name;
    }
}
