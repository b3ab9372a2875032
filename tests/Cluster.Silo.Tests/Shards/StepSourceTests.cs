using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Model.Training;
using Cluster.Silo.Shards;

namespace Cluster.Silo.Tests.Shards;

/// <summary>Which tokens a step takes: every sample once an epoch, nothing beyond the data, masks where they belong.</summary>
public sealed class StepSourceTests : IDisposable
{
    private const int Rows = 61, RowLength = 16;
    private readonly RunFolder _folder = new(Directory.CreateTempSubdirectory("cluster").FullName);
    private readonly List<ShardReader> _readers = [];

    public void Dispose()
    {
        foreach (var reader in _readers)
            reader.Dispose();
        Directory.Delete(_folder.Path, recursive: true);
    }

    [Fact]
    public void Dialogue_AnEpochOfSteps_TakesEachRowOnce()
    {
        var recipe = Recipe(steps: 100);
        var source = new DialogueStepSource(recipe, WriteRows(Datasets.Dialogues, Rows), WriteRows(Datasets.DialoguesValidation, 5));
        var seen = new List<int>();
        for (var step = 0; seen.Count < 2 * Rows; step++)
        {
            for (var lane = 0; lane < recipe.Training.Lanes; lane++)
            {
                var batch = Assert.Single(source.Lane(step, lane));
                for (var r = 0; r < recipe.FineTuning.MicroBatch; r++)
                    seen.Add(batch.Tokens[r * RowLength]);
            }
        }

        Assert.Equal(Enumerable.Range(0, Rows), seen.Take(Rows).Order());
        Assert.Equal(Enumerable.Range(0, Rows), seen.Skip(Rows).Take(Rows).Order());
        Assert.NotEqual(seen.Take(Rows), seen.Skip(Rows).Take(Rows));
    }

    [Fact]
    public void Dialogue_Plan_CountsTheAssistantsTokensOfAllLanes()
    {
        var recipe = Recipe(steps: 10);
        var source = new DialogueStepSource(recipe, WriteRows(Datasets.Dialogues, Rows), WriteRows(Datasets.DialoguesValidation, 5));
        var counted = Enumerable.Range(0, recipe.Training.Lanes).SelectMany(lane => source.Lane(4, lane)).Sum(b => b.Mask.Count(m => m == 1));
        Assert.Equal(counted, source.Plan(4).Tokens);
        // Row n has n mod 5 + 1 assistant's tokens, the last ids of the row.
        var batch = source.Lane(4, 0)[0];
        Assert.Equal(batch.Tokens[0] % 5 + 1, batch.Mask.AsSpan(0, RowLength).ToArray().Count(m => m == 1));
        Assert.Equal(batch.Tokens.AsSpan(1, RowLength - 1), batch.Targets.AsSpan(0, RowLength - 1));
    }

    [Fact]
    public void Validation_FewerRowsThanPlaces_EachOnceAndTheRestMaskedOut()
    {
        var recipe = Recipe(steps: 10);
        var source = new DialogueStepSource(recipe, WriteRows(Datasets.Dialogues, Rows), WriteRows(Datasets.DialoguesValidation, 5));
        var batches = Enumerable.Range(0, recipe.Training.Lanes).SelectMany(source.Validation).ToArray();
        var held = batches.SelectMany(b => Enumerable.Range(0, recipe.FineTuning.MicroBatch)
            .Where(r => b.Mask.AsSpan(r * RowLength, RowLength).Contains((byte)1)).Select(r => b.Tokens[r * RowLength]));
        Assert.Equal(Enumerable.Range(0, 5), held);
    }

    [Fact]
    public void Pretraining_Validation_CoversTheStreamOnceToItsLastToken()
    {
        var recipe = Recipe(steps: 10);
        const int tokens = 203;
        var stream = WriteStream(Datasets.Validation, tokens);
        var source = new PretrainingStepSource(recipe, _ => WriteStream(Datasets.Train, 500), stream);
        var targets = Enumerable.Range(0, recipe.Training.Lanes).SelectMany(source.Validation).SelectMany(Unmasked).ToArray();
        Assert.Equal(Enumerable.Range(1, tokens - 1), targets);
        Assert.Equal(tokens - 1, PretrainingStepSource.ValidationTokens(recipe, tokens));
    }

    [Fact]
    public void Pretraining_ContextLongerThanTheData_SaysSo()
    {
        var error = Assert.Throws<Cluster.Core.Errors.UserErrorException>(
            () => new PretrainingStepSource(Recipe(steps: 10), _ => WriteStream(Datasets.Train, 12), WriteStream(Datasets.Validation, 40)));
        Assert.Contains("12 tokens", error.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<int> Unmasked(MicroBatch batch) => batch.Targets.Where((_, i) => batch.Mask[i] == 1);

    private static Recipe Recipe(int steps) => new Recipe
    {
        Model = new ModelShape { Layers = 1, Width = 32, Heads = 2, Context = 16 },
        Training = new TrainingRecipe { Steps = steps, Lanes = 3, MicroBatch = 2, EvaluationTokens = 10_000 },
        Phases = [new PhaseRecipe { Name = "bulk", Fraction = 1 }],
        FineTuning = new FineTuningRecipe { Steps = steps, MicroBatch = 4 },
    }.Resolved(1_024, RowLength, Precision.Fp32);

    private ShardReader WriteStream(string dataset, int tokens)
    {
        using (var writer = new ShardWriter(_folder.Dataset(dataset), ShardLayout.Stream, 1_024, "none"))
        {
            writer.Append([.. Enumerable.Range(0, tokens)]);
            writer.Complete();
        }

        return Open(dataset);
    }

    private ShardReader WriteRows(string dataset, int rows)
    {
        using (var writer = new ShardWriter(_folder.Dataset(dataset), ShardLayout.Rows, 1_024, "none", RowLength + 1))
        {
            for (var row = 0; row < rows; row++)
            {
                int[] ids = [row, .. Enumerable.Range(100, RowLength)];
                var mask = new byte[RowLength + 1];
                mask.AsSpan(RowLength - row % 5).Fill(1);
                writer.AppendRow(ids, mask);
            }

            writer.Complete();
        }

        return Open(dataset);
    }

    private ShardReader Open(string dataset)
    {
        var reader = ShardReader.Open(_folder.Dataset(dataset));
        _readers.Add(reader);
        return reader;
    }
}
