using Cluster.Core.Errors;
using Cluster.Data.Corpus.Extraction;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Language;
using Cluster.Data.Corpus.Privacy;
using Cluster.Data.Corpus.Quality;

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
        [LanguageIdentification.StageName] = Entry.Of<LanguageOptions>(options => new LanguageIdentification(options)),
        [PersonalData.StageName] = Entry.Of<PersonalDataOptions>(options => new PersonalData(options)),
        [LearnedQuality.StageName] = Entry.Of<QualityStageRecipe>((recipe, file) => new LearnedQuality(
            recipe.Options, recipe.Classifier is { } path ? TextClassifier.Load(file(path)) : null)),
        [Toxicity.StageName] = Entry.Of<ToxicityStageRecipe>((recipe, file) => new Toxicity(TextClassifier.Load(file(recipe.Classifier)), recipe.Options, recipe.Name)),
        [QualityFormula.StageName] = Entry.Of<QualityFormulaOptions>(_ => new QualityFormula()),
    };

    /// <summary>Their names, in ordinal order.</summary>
    public static IReadOnlyList<string> Names => [.. s_entries.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The type of a stage's parameters.</summary>
    /// <exception cref="UserErrorException">No stage has that name.</exception>
    public static Type OptionsOf(string name) => Get(name).Options;

    /// <summary>Makes a stage.</summary>
    /// <param name="recipe">Its name and parameters.</param>
    /// <param name="modelFile">Where a model lies that the recipe names by a path; null takes the path.</param>
    /// <exception cref="UserErrorException">A parameter is out of range, or a file that it names cannot be read.</exception>
    public static IDocumentStage Create(StageRecipe recipe, Func<string, string>? modelFile = null) =>
        Get(recipe.Stage).Create(recipe.Options, modelFile ?? (path => path));

    /// <summary>Checks a stage's parameters; a model is looked at when it is used.</summary>
    /// <exception cref="UserErrorException">A parameter is out of range.</exception>
    public static void Validate(StageRecipe recipe)
    {
        switch (recipe.Options)
        {
            case QualityStageRecipe quality:
                quality.Options.Validate();
                break;
            case ToxicityStageRecipe toxicity:
                toxicity.Options.Validate();
                if (toxicity.Classifier.Length == 0)
                    throw new UserErrorException("A toxicity stage has no classifier.", "Give a file that `corpus train-toxicity` wrote.");
                break;
            default:
                Create(recipe);
                break;
        }
    }

    private static Entry Get(string name) => s_entries.TryGetValue(name, out var entry)
        ? entry
        : throw new UserErrorException($"No stage is called \"{name}\".", $"Give one of {string.Join(", ", Names)}.");

    private sealed record Entry(Type Options, Func<object, Func<string, string>, IDocumentStage> Create)
    {
        public static Entry Of<T>(Func<T, IDocumentStage> create)
            where T : class => new(typeof(T), (options, _) => create((T)options));

        public static Entry Of<T>(Func<T, Func<string, string>, IDocumentStage> create)
            where T : class => new(typeof(T), (options, file) => create((T)options, file));
    }
}
