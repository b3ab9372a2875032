using Cluster.Core.Errors;
using Cluster.Data.Corpus.Extraction;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Language;
using Cluster.Data.Corpus.Privacy;
using Cluster.Data.Corpus.Quality;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>Stages that belong together.</summary>
public static class CurationPresets
{
    /// <summary>For pages of the web in English: main text, language, <see cref="FilterPreset.Web"/>, personal data masked, quality.</summary>
    public static IReadOnlyList<StageRecipe> Web { get; } =
        [.. Beginning, StageRecipe.Of(LanguageIdentification.StageName), .. Filters(FilterPreset.Web), .. End];

    /// <summary>
    /// For reference documentation and other short entries: <see cref="FilterPreset.ShortForm"/>, which says why. No language is
    /// identified: of a sentence full of names a model of letters knows little.
    /// </summary>
    public static IReadOnlyList<StageRecipe> ShortForm { get; } = [.. Beginning, .. Filters(FilterPreset.ShortForm), .. End];

    /// <summary>
    /// What the demo reads with: the least that a text must be, and the quality formula. The entries of the reference documentation are
    /// written by one house, free of damage, spam and markup (what the short-form filters would drop of them is overload lists without a
    /// verb, a few percent); a model of minutes needs every entry of them.
    /// </summary>
    public static IReadOnlyList<StageRecipe> Reference { get; } =
        [StageRecipe.Of(Normalise.StageName), StageRecipe.Of(PlainText.StageName), StageRecipe.Of(QualityFormula.StageName)];

    private static IEnumerable<StageRecipe> Beginning => [StageRecipe.Of(MainText.StageName), StageRecipe.Of(Normalise.StageName)];

    private static IEnumerable<StageRecipe> End => [StageRecipe.Of(PersonalData.StageName), StageRecipe.Of(LearnedQuality.StageName)];

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
