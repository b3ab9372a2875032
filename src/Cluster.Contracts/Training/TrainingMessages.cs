using Orleans;

namespace Cluster.Contracts.Training;

/// <summary>A training stage to do: a recipe over a run folder's shards, by some replicas, up to a step.</summary>
/// <param name="Run">The run's name.</param>
/// <param name="Stage">Name of the training stage.</param>
/// <param name="RecipeJson">The resolved recipe in canonical form.</param>
/// <param name="RunPath">The run's folder, seen by every silo under this path.</param>
/// <param name="Replicas">Where replicas run: grain keys as <see cref="ReplicaKey"/> makes them.</param>
/// <param name="FirstStep">Steps that the starting state has applied; 0 for a new stage.</param>
/// <param name="LastStep">Training stops when this many steps are committed.</param>
/// <param name="StartFrom">Folder of the checkpoint that the replicas start from, or null for the seed's initial parameters.</param>
/// <param name="Secret">What replicas prove to each other when they connect.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingJob(
    [property: Id(0)] string Run, [property: Id(1)] string Stage, [property: Id(2)] string RecipeJson, [property: Id(3)] string RunPath,
    [property: Id(4)] IReadOnlyList<string> Replicas, [property: Id(5)] long FirstStep, [property: Id(6)] long LastStep,
    [property: Id(7)] string? StartFrom, [property: Id(8)] byte[] Secret)
{
    /// <summary>Keys the stage's grains: run/stage.</summary>
    public string Key => KeyOf(Run, Stage);

    /// <summary>The key of a stage's grains.</summary>
    public static string KeyOf(string run, string stage) => $"{run}/{stage}";
}

/// <summary>A replica and where its exchange is served.</summary>
[GenerateSerializer, Immutable]
public sealed record MemberMessage([property: Id(0)] string Id, [property: Id(1)] string Address);

/// <summary>Replica → coordinator: it exists and may take part.</summary>
/// <param name="Member">Who, and where.</param>
/// <param name="Steps">Steps that its state has applied.</param>
/// <param name="StateHash">Of its parameters and moments.</param>
/// <param name="Fingerprint">Of a forward, backward and optimizer step on synthetic tokens at the stage's own shapes.</param>
/// <param name="Run">Identity of the job.</param>
[GenerateSerializer, Immutable]
public sealed record JoinMessage(
    [property: Id(0)] MemberMessage Member, [property: Id(1)] long Steps, [property: Id(2)] string StateHash, [property: Id(3)] string Fingerprint,
    [property: Id(4)] string Run);

/// <summary>A step's stored outcome.</summary>
/// <param name="Term">The term that committed it.</param>
/// <param name="GradientHash">The gradient that everyone had.</param>
/// <param name="Result">What it came to.</param>
[GenerateSerializer, Immutable]
public sealed record OutcomeMessage([property: Id(0)] long Term, [property: Id(1)] string GradientHash, [property: Id(2)] StepResult Result);

/// <summary>Coordinator → replica: compute a step, and apply the one before.</summary>
[GenerateSerializer, Immutable]
public sealed record BeginStepMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] long Step,
    [property: Id(3)] IReadOnlyList<MemberMessage> Members, [property: Id(4)] IReadOnlyList<int> LaneCounts,
    [property: Id(5)] OutcomeMessage Committed);

/// <summary>Replica → coordinator: the reduced gradient is here.</summary>
[GenerateSerializer, Immutable]
public sealed record ReadyMessage(
    [property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Generation, [property: Id(3)] long Step,
    [property: Id(4)] string GradientHash, [property: Id(5)] IReadOnlyList<double> Losses, [property: Id(6)] double GradientNorm);

/// <summary>What a committed step came to.</summary>
/// <param name="Steps">Steps committed, this one included.</param>
/// <param name="Loss">Sum of token losses over all lanes, in nats.</param>
/// <param name="GradientNorm">Before clipping.</param>
[GenerateSerializer, Immutable]
public sealed record StepResult([property: Id(0)] long Steps, [property: Id(1)] double Loss, [property: Id(2)] double GradientNorm);

/// <summary>Coordinator → replica: apply.</summary>
[GenerateSerializer, Immutable]
public sealed record CommitMessage([property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] OutcomeMessage Committed);

/// <summary>Where a stage's coordinator is.</summary>
/// <param name="Steps">Steps committed.</param>
/// <param name="Results">Those after the step that was asked for, oldest first.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Replicas">Keys of the replicas that take part.</param>
/// <param name="LostLanes">Lanes computed again because their replica died.</param>
/// <param name="Finished">Whether the last step asked for is committed.</param>
/// <param name="Stopped">Why the run cannot go on, or null.</param>
[GenerateSerializer, Immutable]
public sealed record CoordinatorProgress(
    [property: Id(0)] long Steps, [property: Id(1)] IReadOnlyList<StepResult> Results, [property: Id(2)] long Generation,
    [property: Id(3)] IReadOnlyList<string> Replicas, [property: Id(4)] long LostLanes, [property: Id(5)] bool Finished, [property: Id(6)] string? Stopped);

/// <summary>What a replica holds.</summary>
/// <param name="Steps">Steps applied.</param>
/// <param name="WeightsSha256">Of the flat parameters.</param>
/// <param name="LanesComputed">Lane gradients computed since it started.</param>
/// <param name="CoordinationSeconds">Time from its READY messages to the COMMITs that answered them.</param>
/// <param name="ComputeSeconds">Time in lane gradients and optimizer steps.</param>
[GenerateSerializer, Immutable]
public sealed record ReplicaState(
    [property: Id(0)] long Steps, [property: Id(1)] string WeightsSha256, [property: Id(2)] long LanesComputed,
    [property: Id(3)] double CoordinationSeconds, [property: Id(4)] double ComputeSeconds);

/// <summary>Sums over some lanes' validation tokens.</summary>
/// <param name="Steps">Steps applied by the state that was evaluated.</param>
/// <param name="FirstLane">The first of the lanes.</param>
/// <param name="Losses">Per lane, in nats.</param>
/// <param name="Tokens">Per lane, unmasked.</param>
[GenerateSerializer, Immutable]
public sealed record EvaluationResult(
    [property: Id(0)] long Steps, [property: Id(1)] int FirstLane, [property: Id(2)] IReadOnlyList<double> Losses, [property: Id(3)] IReadOnlyList<long> Tokens);

/// <summary>What the model is to write from the replica's state as it trains.</summary>
/// <param name="Prompt">Ids.</param>
/// <param name="MaxTokens">At most.</param>
/// <param name="StopTokens">Ids that end it.</param>
[GenerateSerializer, Immutable]
public sealed record SampleRequest([property: Id(0)] int[] Prompt, [property: Id(1)] int MaxTokens, [property: Id(2)] int[] StopTokens);

/// <summary>What it wrote.</summary>
/// <param name="Steps">Steps applied by the state that wrote it.</param>
/// <param name="Ids">Without the prompt.</param>
[GenerateSerializer, Immutable]
public sealed record SampleReply([property: Id(0)] long Steps, [property: Id(1)] int[] Ids);
