using System.Globalization;
using System.Text;
using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;

namespace Cluster.EndToEnd.Tests.Corpus;

/// <summary>A folder of records with exact and near copies in it, and the recipe that reads it.</summary>
internal sealed class PlantedTexts : IDisposable
{
    private static readonly string[] s_phrases =
    [
        .. Enumerable.Range(0, 4_096).Select(phrase => string.Join(' ', Enumerable.Range(0, 12).Select(word =>
            "w" + new CounterRandom(1, RandomPurpose.Synthetic, (ulong)phrase).Below((ulong)word, 4_000).ToString("x", CultureInfo.InvariantCulture)))),
    ];

    public string Folder { get; } = Directory.CreateTempSubdirectory("cluster-texts-").FullName;

    /// <summary>Writes a file of records of so many lines; of every ten, one is a copy of an earlier one and one nearly so.</summary>
    public void Write(string name, int documents, int lines)
    {
        Directory.CreateDirectory(In("texts"));
        using var writer = new StreamWriter(In($"texts/{name}"), false, new UTF8Encoding(false)) { NewLine = "\n" };
        var text = new StringBuilder();
        for (var i = 0; i < documents; i++)
        {
            var subject = i % 10 is 8 or 9 ? i - 7 : i;
            var random = new CounterRandom((ulong)subject, RandomPurpose.Synthetic, Cluster.Data.Corpus.StableHash.Hash64(name));
            text.Clear();
            for (var line = 0; line < lines; line++)
            {
                // The number at its end makes each line the only one of its kind.
                var drawn = random.UInt64((ulong)line);
                text.Append(s_phrases[drawn % (ulong)s_phrases.Length]).Append(line == 1 && i % 10 == 9 ? " otherwise " : " ").Append((drawn >> 16).ToString("x", CultureInfo.InvariantCulture)).Append(".\\n");
            }

            writer.WriteLine($"{{\"text\":\"{text}\"}}");
        }
    }

    public string In(string name) => Path.Combine(Folder, name);

    /// <summary>The recipe, as a file.</summary>
    public string RecipeFile(int partitionBytes, bool near = true)
    {
        var path = In("recipe.json");
        File.WriteAllText(path, CurationRecipeJson.Indented(Recipe(partitionBytes, near)));
        return path;
    }

    public CurationRecipe Recipe(int partitionBytes, bool near = true) => new()
    {
        Name = "planted",
        Sources = [new FolderRecipe { Name = "texts", Path = In("texts") }],
        Stages = [StageRecipe.Of(Normalise.StageName), StageRecipe.Of(PlainText.StageName)],
        Duplicates = new DuplicatesRecipe { Near = near ? new NearDuplicatesRecipe { MinimumSimilarity = 0.7 } : null, Units = new UnitDuplicatesRecipe { Level = ExactLevel.Line, MinimumCharacters = 60 } },
        Tokenizer = new VocabularyRecipe { Vocabulary = 1_024 },
        Limits = new ReadLimits { PartitionBytes = partitionBytes },
    };

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
