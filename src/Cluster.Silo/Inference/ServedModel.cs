using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Silo.Inference;

/// <summary>What a model's name means: a run by its own, RUN:NAME for a quantised model below it.</summary>
/// <param name="Folder">The run's.</param>
/// <param name="Quantized">The quantised model's name; null for the run's newest checkpoint.</param>
public sealed record ServedModel(RunFolder Folder, string? Quantized)
{
    private const char Separator = ':';

    /// <summary>As clients ask for it.</summary>
    public string Name => Quantized is null ? Folder.Name : Folder.Name + Separator + Quantized;

    /// <summary>The model of that name; null if there is none. Whoever gives the name: it is one part of a path, or two.</summary>
    public static ServedModel? Find(string root, string name)
    {
        if (RunFolder.Find(root, name) is { } run)
            return new ServedModel(run, null);
        var at = name.LastIndexOf(Separator);
        return at > 0 && RunFolder.IsQuantizedName(name[(at + 1)..]) && RunFolder.Find(root, name[..at]) is { } below
            && AtomicFolder.Find(below.Quantized(name[(at + 1)..])) is not null
                ? new ServedModel(below, name[(at + 1)..])
                : null;
    }

    /// <summary>All models below a folder, each run before its quantised ones.</summary>
    public static IEnumerable<ServedModel> Below(string root) =>
        RunFolder.Below(root).SelectMany(run => run.QuantizedNames().Select(name => (string?)name).Prepend(null).Select(name => new ServedModel(run, name)));
}
