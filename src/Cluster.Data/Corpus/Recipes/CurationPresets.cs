using Cluster.Core.Errors;
using Cluster.Data.Corpus.Extraction;
using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>Stages that belong together.</summary>
public static class CurationPresets
{
    /// <summary>For pages of the web: <see cref="FilterPreset.Web"/> after extraction, and the quality formula.</summary>
    public static IReadOnlyList<StageRecipe> Web { get; } = [.. Beginning, .. Filters(FilterPreset.Web), StageRecipe.Of(QualityFormula.StageName)];

    /// <summary>For reference documentation and other short entries: <see cref="FilterPreset.ShortForm"/>, which says why.</summary>
    public static IReadOnlyList<StageRecipe> ShortForm { get; } = [.. Beginning, .. Filters(FilterPreset.ShortForm), StageRecipe.Of(QualityFormula.StageName)];

    /// <summary>
    /// What the demo reads with: the least that a text must be, and the quality formula. The entries of the reference documentation are
    /// written by one house, free of damage, spam and markup (what the short-form filters would drop of them is overload lists without a
    /// verb, a few percent); a model of minutes needs every entry of them.
    /// </summary>
    public static IReadOnlyList<StageRecipe> Reference { get; } =
        [StageRecipe.Of(Normalise.StageName), StageRecipe.Of(PlainText.StageName), StageRecipe.Of(QualityFormula.StageName)];

    private static IEnumerable<StageRecipe> Beginning => [StageRecipe.Of(MainText.StageName), StageRecipe.Of(Normalise.StageName)];

    /// <summary>The reference documentation of this machine's SDK, as the demo reads it.</summary>
    public static CurationRecipe ReferenceCorpus { get; } = new()
    {
        Name = "reference",
        Sources = [new ReferenceRecipe { Name = "reference", License = "CC-BY-4.0" }],
        Stages = Reference,
        Duplicates = new DuplicatesRecipe { Near = null },
    };

    /// <summary>The recipe of a name.</summary>
    /// <exception cref="UserErrorException">No recipe has that name.</exception>
    public static CurationRecipe Get(string name) => name == ReferenceCorpus.Name
        ? ReferenceCorpus
        : throw new UserErrorException($"No recipe of a corpus is called \"{name}\".", $"Give {ReferenceCorpus.Name}, or a file's path.");

    private static IEnumerable<StageRecipe> Filters(FilterPreset preset)
    {
        (string Name, object? Options)[] all =
        [
            (PlainText.StageName, preset.PlainText), (EncodingDamage.StageName, preset.EncodingDamage), (MarkupLeft.StageName, preset.MarkupLeft),
            (GopherQuality.StageName, preset.GopherQuality), (GopherRepetition.StageName, preset.GopherRepetition), (FineWeb.StageName, preset.FineWeb),
            (C4.StageName, preset.C4),
        ];
        return all.Where(stage => stage.Options is not null).Select(stage => new StageRecipe(stage.Name, stage.Options!));
    }
}
