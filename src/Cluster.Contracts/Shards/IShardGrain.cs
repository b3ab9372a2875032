using Cluster.Contracts.Training;
using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Shards;

/// <summary>The tokens of step s, lane l, and of the validation: the same for everyone who asks. Key: run/stage.</summary>
[Alias("Cluster.Shards.Shard")]
public interface IShardGrain : IGrainWithStringKey
{
    /// <summary>Opens the stage's shards.</summary>
    [Alias("Open")]
    Task OpenAsync(TrainingJob job);

    /// <summary>Unmasked tokens of all lanes of a step together.</summary>
    [Alias("GetTokens"), AlwaysInterleave]
    Task<long> GetTokensAsync(long step);

    /// <summary>A lane's micro-batches.</summary>
    [Alias("GetLane"), AlwaysInterleave]
    Task<LaneTokens> GetLaneAsync(long step, int lane);

    /// <summary>Several lanes' micro-batches, in the order in which they are asked for.</summary>
    /// <param name="steps">A step for each.</param>
    /// <param name="lanes">A lane for each.</param>
    [Alias("GetLanes"), AlwaysInterleave]
    Task<LaneTokens[]> GetLanesAsync(long[] steps, int[] lanes);

    /// <summary>A lane's share of the validation.</summary>
    [Alias("GetValidation"), AlwaysInterleave]
    Task<LaneTokens> GetValidationAsync(int lane);

    /// <summary>Closes the files.</summary>
    [Alias("Close")]
    Task CloseAsync();
}

/// <summary>Tokens of one lane: of a step, or of the validation.</summary>
/// <param name="Batches">In the order in which their gradients are added.</param>
[GenerateSerializer, Immutable]
public sealed record LaneTokens([property: Id(0)] IReadOnlyList<BatchMessage> Batches);

/// <summary>A micro-batch.</summary>
/// <param name="Tokens">Ids, sequence after sequence.</param>
/// <param name="Targets">The id that follows each.</param>
/// <param name="Mask">0 leaves a token's loss out.</param>
/// <param name="Context">Tokens of one sequence.</param>
[GenerateSerializer, Immutable]
public sealed record BatchMessage(
    [property: Id(0)] int[] Tokens, [property: Id(1)] int[] Targets, [property: Id(2)] byte[] Mask, [property: Id(3)] int Context);
