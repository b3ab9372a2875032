using Cluster.Core.Errors;
using Cluster.Data.Corpus.Extraction;
using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>The per-document stages that a recipe can name, each with the record of its parameters.</summary>
public static class StageCatalogue
{
    private static readonly Dictionary<string, Entry> s_entries = new(StringComparer.Ordinal)
    {
        [Normalise.StageName] = Entry.Of<NormaliseOptions>(_ => new Normalise()),
        [MainText.StageName] = Entry.Of<MainTextOptions>(options => new MainText(options)),
        [PlainText.StageName] = Entry.Of<PlainTextOptions>(options => new PlainText(options)),
        [EncodingDamage.StageName] = Entry.Of<EncodingDamageOptions>(options => new EncodingDamage(options)),
        [MarkupLeft.StageName] = Entry.Of<MarkupLeftOptions>(options => new MarkupLeft(options)),
        [GopherQuality.StageName] = Entry.Of<GopherQualityOptions>(options => new GopherQuality(options)),
        [GopherRepetition.StageName] = Entry.Of<GopherRepetitionOptions>(options => new GopherRepetition(options)),
        [FineWeb.StageName] = Entry.Of<FineWebOptions>(options => new FineWeb(options)),
        [C4.StageName] = Entry.Of<C4Options>(options => new C4(options)),
        [QualityFormula.StageName] = Entry.Of<QualityFormulaOptions>(_ => new QualityFormula()),
    };

    /// <summary>Their names, in ordinal order.</summary>
    public static IReadOnlyList<string> Names => [.. s_entries.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The type of a stage's parameters.</summary>
    /// <exception cref="UserErrorException">No stage has that name.</exception>
    public static Type OptionsOf(string name) => Get(name).Options;

    /// <summary>Makes a stage.</summary>
    /// <param name="recipe">Its name and parameters.</param>
    /// <exception cref="UserErrorException">A parameter is out of range, or a file that it names cannot be read.</exception>
    public static IDocumentStage Create(StageRecipe recipe) => Get(recipe.Stage).Create(recipe.Options);

    private static Entry Get(string name) => s_entries.TryGetValue(name, out var entry)
        ? entry
        : throw new UserErrorException($"No stage is called \"{name}\".", $"Give one of {string.Join(", ", Names)}.");

    private sealed record Entry(Type Options, Func<object, IDocumentStage> Create)
    {
        public static Entry Of<T>(Func<T, IDocumentStage> create)
            where T : class => new(typeof(T), options => create((T)options));
    }
}
