using Cluster.Core.Errors;

namespace Cluster.Core.Runs;

/// <summary>
/// Where a run keeps what: the one place that composes paths. The folder is all that is needed to resume a run, generate or chat.
/// </summary>
public sealed class RunFolder
{
    private const int MostNameLength = 200;

    /// <param name="path">The run's folder; it need not exist yet.</param>
    public RunFolder(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        Name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));
    }

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>Last part of the path; the run's name.</summary>
    public string Name { get; }

    /// <summary>The recipe as resolved, indented JSON.</summary>
    public string Recipe => At("recipe.json");

    /// <summary>What the run was asked for besides its recipe, a <see cref="RunOrigin"/>.</summary>
    public string Origin => At("origin.json");

    /// <summary>How the run was steered, a <see cref="SteeringRecord"/> a line: history for people, the recipe is what counts.</summary>
    public string Journal => At("journal.jsonl");

    /// <summary>Stages done, with times and figures: an array of <see cref="StageRecord"/>.</summary>
    public string Stages => At("stages.json");

    /// <summary>One <see cref="MetricPoint"/> a line.</summary>
    public string Metrics => At("metrics.jsonl");

    /// <summary>One <see cref="Sample"/> a line.</summary>
    public string Samples => At("samples.jsonl");

    /// <summary>A <see cref="RunSummary"/>.</summary>
    public string Summary => At("summary.json");

    /// <summary>The report for people.</summary>
    public string Report => At("report.md");

    /// <summary>What the model is and is not good for.</summary>
    public string ModelCard => At("model_card.md");

    /// <summary>What the data is.</summary>
    public string DataCard => At("data_card.md");

    /// <summary>Figures of the curation.</summary>
    public string CorpusReport => At("corpus.json");

    /// <summary>Conversations of held-out documents that the report ends with.</summary>
    public string HeldOut => At("held_out.json");

    /// <summary>The tokenizer, as Hugging Face's library reads it.</summary>
    public string Tokenizer => At("tokenizer.json");

    /// <summary>A PNG of the report.</summary>
    /// <param name="name">Without an ending.</param>
    public string Plot(string name) => At("plots", name + ".png");

    /// <summary>The datasets' parent folder.</summary>
    public string Shards => At("shards");

    /// <summary>A dataset's folder.</summary>
    /// <param name="dataset">One of <see cref="Datasets"/>.</param>
    public string Dataset(string dataset) => At("shards", dataset);

    /// <summary>The checkpoints of a training stage.</summary>
    /// <param name="stage">One of <see cref="StageNames"/>.</param>
    public string Checkpoints(string stage) => At("checkpoints", stage);

    /// <summary>A quantised model's folder.</summary>
    /// <param name="name">See <see cref="IsQuantizedName"/>.</param>
    public string Quantized(string name) => At("quantized", name);

    /// <summary>The quantised models that are there, by name.</summary>
    public IReadOnlyList<string> QuantizedNames() => !Directory.Exists(At("quantized"))
        ? []
        : [.. Directory.GetDirectories(At("quantized")).Select(path => System.IO.Path.GetFileName(path)).Where(IsQuantizedName).Order(StringComparer.Ordinal)];

    /// <summary>Whether a text can name a quantised model: 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first. What is being written or replaced has another ending.</summary>
    public static bool IsQuantizedName(string name) => name.Length is > 0 and <= 64 && char.IsAsciiLetterOrDigit(name[0])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
        && !name.EndsWith(".writing", StringComparison.Ordinal) && !name.EndsWith(".replaced", StringComparison.Ordinal);

    /// <summary>Held open by the process that works on the run.</summary>
    public string Lock => At(".lock");

    /// <summary>Whether a run was begun here.</summary>
    public bool Exists => File.Exists(Recipe);

    /// <summary>The runs below a folder, by name; empty where there is no such folder.</summary>
    public static IReadOnlyList<RunFolder> Below(string root) => !Directory.Exists(root)
        ? []
        : [.. Directory.GetDirectories(root).Order(StringComparer.Ordinal).Select(path => new RunFolder(path)).Where(run => run.Exists)];

    /// <summary>The run of that name below a folder; null if there is none. A name is one part of a path, whoever gives it.</summary>
    public static RunFolder? Find(string root, string name)
    {
        if (name.Length is 0 or > MostNameLength || name[0] == '.' || name.AsSpan().ContainsAny('/', '\\', '\0'))
            return null;
        var folder = new RunFolder(System.IO.Path.Combine(root, name));
        return folder.Exists ? folder : null;
    }

    /// <summary>Refuses a folder that holds no run.</summary>
    /// <exception cref="UserErrorException">It holds none.</exception>
    public RunFolder Required() => Exists
        ? this
        : throw new UserErrorException($"There is no run in {Path}.", "Give the folder that `cluster demo` or `cluster train` wrote; `cluster runs` lists them.");

    private string At(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);
}

/// <summary>Names of the stages, in order; they name metrics, checkpoints and rows of the report.</summary>
public static class StageNames
{
    /// <summary>Text to documents.</summary>
    public const string Corpus = "corpus";

    /// <summary>Documents to a vocabulary.</summary>
    public const string Tokenizer = "tokenizer";

    /// <summary>Documents to ids on disk.</summary>
    public const string Shards = "shards";

    /// <summary>Vocabulary, precision and steps settled: the recipe as resolved.</summary>
    public const string Plan = "plan";

    /// <summary>Ids to a language model.</summary>
    public const string Pretraining = "pretraining";

    /// <summary>Language model to assistant.</summary>
    public const string FineTuning = "fine_tuning";

    /// <summary>Held-out questions and figures.</summary>
    public const string Evaluation = "evaluation";
}

/// <summary>Names of the datasets of token shards.</summary>
public static class Datasets
{
    /// <summary>All training documents.</summary>
    public const string Train = "train";

    /// <summary>Their best decile.</summary>
    public const string TrainBest = "train_best";

    /// <summary>Documents to watch training with.</summary>
    public const string Validation = "validation";

    /// <summary>Training conversations, a row each.</summary>
    public const string Dialogues = "dialogues";

    /// <summary>Conversations to watch fine-tuning with.</summary>
    public const string DialoguesValidation = "dialogues_validation";
}
