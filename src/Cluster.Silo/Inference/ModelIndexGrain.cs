using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Silo.Inference;

/// <summary>Looks at the runs' path when asked.</summary>
internal sealed class ModelIndexGrain(InferenceOptions options) : Grain, IModelIndexGrain
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<ModelDescription>> ListAsync() => await Task.Run(() =>
        RunFolder.Below(options.RunsPath).Select(folder => Describe(folder, folder.Name).Model).OfType<ModelDescription>().ToArray());

    /// <summary>A model by its folder, or why there is none.</summary>
    /// <param name="folder">The run's; null where there is none.</param>
    /// <param name="name">What it was asked for as.</param>
    internal static (ModelDescription? Model, Refusal? Refusal) Describe(RunFolder? folder, string name)
    {
        if (folder is null)
            return (null, new Refusal(RefusalKind.UnknownModel, "model", $"There is no model called \"{name}\". GET /v1/models lists those that there are."));
        try
        {
            if (RunSource.Newest(folder) is not var (checkpoint, shape))
                return (null, new Refusal(RefusalKind.UnknownModel, "model", $"The model \"{name}\" has no checkpoint yet. Let its training go on until it has saved one."));
            var manifest = checkpoint.Manifest;
            return (new ModelDescription(
                name, new DateTimeOffset(Directory.GetLastWriteTimeUtc(checkpoint.Path)), manifest.Stage, manifest.Step, shape.MaxContext, manifest.WeightsSha256), null);
        }
        catch (Exception error) when (error is UserErrorException or IOException or UnauthorizedAccessException)
        {
            return (null, new Refusal(RefusalKind.Unavailable, null, error.Message));
        }
    }
}
