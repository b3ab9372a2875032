// A worker's way in: passes messages to the model on this silo, which outlives its grain.
using Cluster.Contracts.Inference;
using Cluster.Silo.Hosting;
using Orleans.Placement;

namespace Cluster.Silo.Inference;

/// <inheritdoc cref="IInferenceWorkerGrain"/>
[KeepAlive, Immovable, SiloNamePlacement]
internal sealed class InferenceWorkerGrain(LocalWorkers workers) : Grain, IInferenceWorkerGrain
{
    private ModelWorker Worker => workers.Of(this.GetPrimaryKeyString());

    /// <inheritdoc/>
    public Task<SubmitAnswer> SubmitAsync(GenerationRequest request) => Worker.SubmitAsync(request);

    /// <inheritdoc/>
    public Task<ReplyStretch> ReadAsync(string reply, int from) => Worker.ReadAsync(reply, from);

    /// <inheritdoc/>
    public Task CancelAsync(IReadOnlyList<string> replies)
    {
        Worker.Cancel(replies);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<EmbeddingAnswer> EmbedAsync(EmbeddingRequest request) => Worker.EmbedAsync(request);

    /// <inheritdoc/>
    public Task RefreshAsync()
    {
        Worker.Refresh();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<WorkerLoad> GetLoadAsync() => Task.FromResult(Worker.Load());

    /// <inheritdoc/>
    public Task<WorkerFigures> GetFiguresAsync() => Task.FromResult(Worker.Figures());
}
