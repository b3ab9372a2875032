using Cluster.Core.Checkpoints;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Tokens;
using Cluster.Inference.Quantization;

namespace Cluster.Silo.Tests.Inference;

/// <summary>A run's folder with a model of random weights, one token per byte: all that serving needs.</summary>
internal static class TinyRun
{
    /// <summary>Writes recipe, tokenizer and a checkpoint. The same arguments give the same weights.</summary>
    /// <param name="root">The runs' path.</param>
    /// <param name="name">The model's name.</param>
    /// <param name="step">Of the checkpoint; other steps have other weights.</param>
    /// <param name="context">Most tokens of prompt and reply.</param>
    /// <returns>SHA-256 of the weights.</returns>
    public static string Write(string root, string name, long step = 1, int context = 256)
    {
        var tokenizer = BytePairTokenizer.OfBytes();
        var recipe = new Recipe
        {
            Name = "tiny",
            Tokenizer = new TokenizerRecipe { Kind = TokenizerKind.Bytes },
            Model = new ModelShape { Layers = 2, Width = 32, Heads = 2, Context = 32, MaxContext = context },
            Training = new TrainingRecipe { KeepCheckpoints = 3 },
        }.Resolved(tokenizer.VocabularySize, 32, Precision.Fp32);
        var folder = new RunFolder(Path.Combine(root, name));
        Directory.CreateDirectory(folder.Path);
        File.WriteAllText(folder.Recipe, RecipeJson.Indented(recipe));
        TokenizerFile.Save(tokenizer, folder.Tokenizer);

        var layout = new ParameterLayout(recipe.Model);
        float[] parameters = new float[layout.TotalCount], moments = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, (ulong)step);
        // As they are drawn they say the same whatever came before.
        foreach (var parameter in layout.Parameters.Where(p => p.IsMatrix))
        {
            foreach (ref var value in parameters.AsSpan((int)parameter.Offset, (int)parameter.Count))
                value *= 6;
        }

        var state = new CheckpointState(StageNames.Pretraining, step, step * 100, 1, RecipeJson.HashAt(recipe, StageNames.Pretraining, step), null, 0);
        return new CheckpointStore(folder.Checkpoints(StageNames.Pretraining), recipe.Training.KeepCheckpoints)
            .Save(state, layout, parameters, moments, moments).Manifest.WeightsSha256;
    }

    /// <summary>Writes that run with its model in 8 bits below it, as if somebody had measured it.</summary>
    /// <returns>SHA-256 of the quantised weights.</returns>
    public static string WriteQuantized(string root, string name, string quantized)
    {
        var checkpoint = Write(root, name);
        var folder = new RunFolder(Path.Combine(root, name));
        var recipe = RecipeJson.Parse(File.ReadAllText(folder.Recipe), folder.Recipe);
        var layout = new ParameterLayout(recipe.Model);
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        var scheme = QuantizationScheme.Of(WeightFormat.Int8);
        return QuantizedModelFolder.Save(folder.Quantized(quantized), QuantizedModel.Of(layout, parameters, scheme), file => new QuantizedManifest
        {
            Version = QuantizedManifest.CurrentVersion,
            Stage = StageNames.Pretraining,
            Step = 1,
            CheckpointSha256 = checkpoint,
            RecipeSha256 = RecipeJson.HashAt(recipe, StageNames.Pretraining, 1),
            Shape = layout.Shape,
            Scheme = scheme,
            Calibration = "none",
            CalibrationTokens = 0,
            BoundPercent = 1,
            Figures = new QuantizedFigures(layout.ParameterCount * sizeof(float), file.Bytes, 1, 1, null, null, 1, 1),
            File = file,
            ManifestSha256 = "",
        }).File.Sha256;
    }
}
