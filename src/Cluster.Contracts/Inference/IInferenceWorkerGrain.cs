using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Inference;

/// <summary>
/// One engine's way in: a model on a silo. Key: a <see cref="Training.ReplicaKey"/> whose run is the model's name; the grain is on the
/// silo that the key names. No call outlasts about a second.
/// </summary>
[Alias("Cluster.Inference.Worker")]
public interface IInferenceWorkerGrain : IGrainWithStringKey
{
    /// <summary>Takes in a request. The model is loaded at the first one.</summary>
    [Alias("Submit"), AlwaysInterleave]
    Task<SubmitAnswer> SubmitAsync(GenerationRequest request);

    /// <summary>
    /// A reply's tokens from a place on: at once if there are any, else when one comes, at latest after a second without any. What was
    /// read can be read again, so a lost answer loses nothing. A reply that nobody reads for a while is cancelled.
    /// </summary>
    /// <param name="reply">Its name, from <see cref="SubmitAnswer.Replies"/>.</param>
    /// <param name="from">The first token wanted, counted from the first that this worker drew.</param>
    [Alias("Read"), AlwaysInterleave]
    Task<ReplyStretch> ReadAsync(string reply, int from);

    /// <summary>Forgets replies, and ends those under way: their blocks are free before the next step.</summary>
    [Alias("Cancel"), AlwaysInterleave]
    Task CancelAsync(IReadOnlyList<string> replies);

    /// <summary>
    /// Texts as vectors. The first call begins, and every call waits for a second at most; whoever does not ask again for a while is not
    /// waited for. <see cref="CancelAsync"/> with the request's id ends it.
    /// </summary>
    [Alias("Embed"), AlwaysInterleave]
    Task<EmbeddingAnswer> EmbedAsync(EmbeddingRequest request);

    /// <summary>
    /// Loads the newest intact checkpoint, beside the grain's turns, if it is not the one that answers now. From then on new requests go
    /// to it; the engine before ends with its last reply.
    /// </summary>
    [Alias("Refresh"), AlwaysInterleave]
    Task RefreshAsync();

    /// <summary>How busy it is.</summary>
    [Alias("GetLoad"), AlwaysInterleave]
    Task<WorkerLoad> GetLoadAsync();

    /// <summary>What its engines are doing and have done.</summary>
    [Alias("GetFigures"), AlwaysInterleave]
    Task<WorkerFigures> GetFiguresAsync();
}

/// <summary>How busy a worker is.</summary>
/// <param name="Ready">Whether the model is loaded and works.</param>
/// <param name="Weights">SHA-256 of the weights that new requests go to; null before any are loaded.</param>
/// <param name="FreeBlocks">Blocks of the cache that no request holds.</param>
/// <param name="Blocks">Blocks of the cache.</param>
/// <param name="Waiting">Requests that wait for blocks.</param>
/// <param name="Running">Requests that hold blocks.</param>
/// <param name="Engines">Engines, those that end with their last reply included.</param>
[GenerateSerializer, Immutable]
public sealed record WorkerLoad(
    [property: Id(0)] bool Ready, [property: Id(1)] string? Weights, [property: Id(2)] int FreeBlocks, [property: Id(3)] int Blocks,
    [property: Id(4)] int Waiting, [property: Id(5)] int Running, [property: Id(6)] int Engines);
