using Orleans;

namespace Cluster.Contracts.Training;

/// <summary>A piece of training to do: a recipe over shards, by some replicas, up to a step.</summary>
/// <param name="Run">The run's name; keys its grains.</param>
/// <param name="RecipeJson">The resolved recipe in canonical form.</param>
/// <param name="ShardsPath">Folder of the datasets, seen by every silo under this path.</param>
/// <param name="Replicas">Where replicas run: grain keys as <see cref="ReplicaKey"/> makes them.</param>
/// <param name="LastStep">Training stops when this many steps are committed.</param>
/// <param name="Secret">What replicas prove to each other when they connect.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingJob(
    [property: Id(0)] string Run, [property: Id(1)] string RecipeJson, [property: Id(2)] string ShardsPath,
    [property: Id(3)] IReadOnlyList<string> Replicas, [property: Id(4)] long LastStep, [property: Id(5)] byte[] Secret);

/// <summary>A replica and where its exchange is served.</summary>
[GenerateSerializer, Immutable]
public sealed record MemberMessage([property: Id(0)] string Id, [property: Id(1)] string Address);

/// <summary>Coordinator → replica: compute a step.</summary>
[GenerateSerializer, Immutable]
public sealed record BeginStepMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] long Step,
    [property: Id(3)] IReadOnlyList<MemberMessage> Members, [property: Id(4)] IReadOnlyList<int> LaneCounts);

/// <summary>Replica → coordinator: the reduced gradient is here.</summary>
[GenerateSerializer, Immutable]
public sealed record ReadyMessage(
    [property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Generation, [property: Id(3)] long Step,
    [property: Id(4)] string GradientHash, [property: Id(5)] IReadOnlyList<double> Losses);

/// <summary>Coordinator → replica: apply.</summary>
[GenerateSerializer, Immutable]
public sealed record CommitMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Steps, [property: Id(2)] string GradientHash, [property: Id(3)] double Loss,
    [property: Id(4)] long Generation, [property: Id(5)] BeginStepMessage? Next);

/// <summary>Where a run is.</summary>
/// <param name="Steps">Steps committed.</param>
/// <param name="Loss">Sum of token losses of the last step, in nats.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Replicas">Replicas that take part.</param>
/// <param name="LostLanes">Lanes computed again because their replica died.</param>
/// <param name="Finished">Whether the last step asked for is committed.</param>
/// <param name="Stopped">Why the run cannot go on, or null.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingProgress(
    [property: Id(0)] long Steps, [property: Id(1)] double Loss, [property: Id(2)] long Generation, [property: Id(3)] int Replicas,
    [property: Id(4)] long LostLanes, [property: Id(5)] bool Finished, [property: Id(6)] string? Stopped);

/// <summary>What a replica holds.</summary>
/// <param name="Steps">Steps applied.</param>
/// <param name="WeightsSha256">Of the flat parameters.</param>
/// <param name="LanesComputed">Lane gradients computed since it started.</param>
[GenerateSerializer, Immutable]
public sealed record ReplicaState([property: Id(0)] long Steps, [property: Id(1)] string WeightsSha256, [property: Id(2)] long LanesComputed);
