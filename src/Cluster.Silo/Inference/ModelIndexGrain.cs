using Cluster.Contracts.Inference;
using Cluster.Core.Errors;

namespace Cluster.Silo.Inference;

/// <summary>Looks at the runs' path when asked.</summary>
internal sealed class ModelIndexGrain(InferenceOptions options) : Grain, IModelIndexGrain
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<ModelDescription>> ListAsync() => await Task.Run(() =>
        ServedModel.Below(options.RunsPath).Select(model => Describe(model, model.Name).Model).OfType<ModelDescription>().ToArray());

    /// <summary>A model, or why there is none.</summary>
    /// <param name="served">What the name means; null where it means nothing.</param>
    /// <param name="name">What it was asked for as.</param>
    internal static (ModelDescription? Model, Refusal? Refusal) Describe(ServedModel? served, string name)
    {
        if (served is null)
            return (null, new Refusal(RefusalKind.UnknownModel, "model", $"There is no model called \"{name}\". GET /v1/models lists those that there are."));
        try
        {
            if (RunSource.Newest(served) is not var (weights, shape))
                return (null, new Refusal(RefusalKind.UnknownModel, "model", $"The model \"{name}\" has no checkpoint yet. Let its training go on until it has saved one."));
            return (new ModelDescription(
                name, new DateTimeOffset(Directory.GetLastWriteTimeUtc(weights.Path)), weights.Stage, weights.Step, shape.MaxContext, weights.Sha256), null);
        }
        catch (Exception error) when (error is UserErrorException or IOException or UnauthorizedAccessException)
        {
            return (null, new Refusal(RefusalKind.Unavailable, null, error.Message));
        }
    }
}
