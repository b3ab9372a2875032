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
/// <param name="SlotsPerSilo">
/// Replicas on every silo that trains, whichever those are at the time: the job follows the silos. 0 where the replicas are those named.
/// </param>
/// <param name="Simulated">What replicas do that compute nothing, or null for those that train.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingJob(
    [property: Id(0)] string Run, [property: Id(1)] string Stage, [property: Id(2)] string RecipeJson, [property: Id(3)] string RunPath,
    [property: Id(4)] IReadOnlyList<string> Replicas, [property: Id(5)] long FirstStep, [property: Id(6)] long LastStep,
    [property: Id(7)] string? StartFrom, [property: Id(8)] byte[] Secret, [property: Id(9)] int SlotsPerSilo = 0,
    [property: Id(10)] SimulatedWork? Simulated = null)
{
    /// <summary>Keys the stage's grains: run/stage.</summary>
    public string Key => KeyOf(Run, Stage);

    /// <summary>The key of a stage's grains.</summary>
    public static string KeyOf(string run, string stage) => $"{run}/{stage}";
}

/// <summary>A replica and where its exchange is served.</summary>
[GenerateSerializer, Immutable]
public sealed record MemberMessage([property: Id(0)] string Id, [property: Id(1)] string Address);

/// <summary>What must be equal for two replicas to train the same bits; see the protocol's RunIdentity.</summary>
[GenerateSerializer, Immutable]
public sealed record IdentityMessage(
    [property: Id(0)] string Run, [property: Id(1)] string Version, [property: Id(2)] string Recipe, [property: Id(3)] string Model,
    [property: Id(4)] string Fingerprint);

/// <summary>Replica → coordinator: it exists and may take part.</summary>
/// <param name="Member">Who, and where.</param>
/// <param name="Steps">Steps that its state has applied; -1 for no state.</param>
/// <param name="StateHash">Of its parameters and moments.</param>
/// <param name="Identity">What it is built and configured for.</param>
/// <param name="Term">The latest it has heard of.</param>
/// <param name="Generation">The latest of that term.</param>
[GenerateSerializer, Immutable]
public sealed record JoinMessage(
    [property: Id(0)] MemberMessage Member, [property: Id(1)] long Steps, [property: Id(2)] string StateHash, [property: Id(3)] IdentityMessage Identity,
    [property: Id(4)] long Term, [property: Id(5)] long Generation);

/// <summary>Coordinator → replica: say where you are.</summary>
[GenerateSerializer, Immutable]
public sealed record QueryMessage([property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] OutcomeMessage Committed);

/// <summary>Replica → coordinator: where it is.</summary>
/// <param name="Moments">First and number of the slices whose moments it holds, one after the other; null where every replica holds all.</param>
/// <param name="Slices">How many slices there are.</param>
[GenerateSerializer, Immutable]
public sealed record ReportMessage(
    [property: Id(0)] MemberMessage Member, [property: Id(1)] long Term, [property: Id(2)] long Generation, [property: Id(3)] long Applied,
    [property: Id(4)] OutcomeMessage? Last, [property: Id(5)] int FirstHeld, [property: Id(6)] int Held, [property: Id(7)] string StateHash,
    [property: Id(8)] int[]? Moments = null, [property: Id(9)] int Slices = 0);

/// <summary>Coordinator → newcomer: copy a donor's state.</summary>
[GenerateSerializer, Immutable]
public sealed record CopyStateMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] MemberMessage Donor, [property: Id(3)] OutcomeMessage Committed,
    [property: Id(4)] string StateHash);

/// <summary>Newcomer → coordinator: it has the committed state.</summary>
[GenerateSerializer, Immutable]
public sealed record JoinedMessage(
    [property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Steps, [property: Id(3)] string StateHash);

/// <summary>Newcomer → coordinator: a copy failed.</summary>
[GenerateSerializer, Immutable]
public sealed record CopyFailedMessage(
    [property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Steps, [property: Id(3)] string Donor, [property: Id(4)] string Reason);

/// <summary>Replica → coordinator: a peer cannot be reached.</summary>
[GenerateSerializer, Immutable]
public sealed record PeerLostMessage(
    [property: Id(0)] string Reporter, [property: Id(1)] string Lost, [property: Id(2)] long Term, [property: Id(3)] long Generation, [property: Id(4)] string Reason);

/// <summary>Replica → coordinator: no member holds the moments of a slice that is its to hold.</summary>
[GenerateSerializer, Immutable]
public sealed record MomentsMissingMessage(
    [property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Generation, [property: Id(3)] long Step, [property: Id(4)] int Slice);

/// <summary>Replica → coordinator: it lives.</summary>
[GenerateSerializer, Immutable]
public sealed record PresenceMessage([property: Id(0)] string Member, [property: Id(1)] long Term, [property: Id(2)] long Generation);

/// <summary>Coordinator → replica: it takes no part any more and may offer itself again.</summary>
[GenerateSerializer, Immutable]
public sealed record EvictedMessage([property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] OutcomeMessage Committed);

/// <summary>What must survive the coordinator's silo; see the protocol's CoordinatorRecord.</summary>
[GenerateSerializer, Immutable]
public sealed record CoordinatorRecordMessage(
    [property: Id(0)] IdentityMessage Identity, [property: Id(1)] long Term, [property: Id(2)] long Revision, [property: Id(3)] long Generation,
    [property: Id(4)] int Lanes, [property: Id(5)] int Expected, [property: Id(6)] IReadOnlyList<MemberMessage> Members,
    [property: Id(7)] OutcomeMessage Committed, [property: Id(8)] long LastStep, [property: Id(9)] long LostLanes, [property: Id(10)] string? Stopped,
    [property: Id(11)] bool Sharded = false, [property: Id(12)] bool MomentsLost = false);

/// <summary>A step's stored outcome.</summary>
/// <param name="Term">The term that committed it.</param>
/// <param name="GradientHash">The gradient that everyone had.</param>
/// <param name="Result">What it came to.</param>
[GenerateSerializer, Immutable]
public sealed record OutcomeMessage([property: Id(0)] long Term, [property: Id(1)] string GradientHash, [property: Id(2)] StepResult Result);

/// <summary>Who takes part and who computes what, for as long as it holds. A silo keeps it: a step that it is named in travels without it.</summary>
/// <param name="Term">Of the coordinator that made it.</param>
/// <param name="Number">Among those of that coordinator, rising.</param>
/// <param name="Members">Everyone, in lane order.</param>
/// <param name="LaneCounts">Lanes of each.</param>
[GenerateSerializer, Immutable]
public sealed record PlanMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Number, [property: Id(2)] IReadOnlyList<MemberMessage> Members,
    [property: Id(3)] IReadOnlyList<int> LaneCounts);

/// <summary>Coordinator → replicas of a silo: compute a step, and apply the one before.</summary>
/// <param name="Term">Of the coordinator.</param>
/// <param name="Generation">Of the membership.</param>
/// <param name="Step">To compute.</param>
/// <param name="Committed">Outcome of the step before.</param>
/// <param name="PlanNumber">Of the plan by which it is computed.</param>
/// <param name="Plan">The plan itself, or null where the silo is known to have it.</param>
[GenerateSerializer, Immutable]
public sealed record BeginStepMessage(
    [property: Id(0)] long Term, [property: Id(1)] long Generation, [property: Id(2)] long Step, [property: Id(5)] OutcomeMessage Committed,
    [property: Id(6)] long PlanNumber, [property: Id(7)] PlanMessage? Plan);

/// <summary>Replicas → coordinator: the reduced gradient of a step is here, the same for all of them.</summary>
/// <param name="Term">As begun.</param>
/// <param name="Generation">As begun.</param>
/// <param name="Step">As begun.</param>
/// <param name="GradientHash">Of the reduced gradient.</param>
/// <param name="GradientNorm">Of the reduced gradient.</param>
/// <param name="Members">Who, as <see cref="ReplicaKey.MemberId"/> names them.</param>
/// <param name="Losses">Sums of token losses of each one's lanes, in nats, one after the other.</param>
/// <param name="LaneCounts">Lanes of each.</param>
/// <param name="LaneSeconds">Of each one's time for a lane the mean; 0 where it computed none.</param>
/// <param name="ParametersHash">Of the parameters after the step, where replicas share the optimizer's state.</param>
[GenerateSerializer, Immutable]
public sealed record ReadyMessage(
    [property: Id(1)] long Term, [property: Id(2)] long Generation, [property: Id(3)] long Step, [property: Id(4)] string GradientHash,
    [property: Id(6)] double GradientNorm, [property: Id(7)] IReadOnlyList<string> Members, [property: Id(8)] double[] Losses, [property: Id(9)] int[] LaneCounts,
    [property: Id(10)] double[] LaneSeconds, [property: Id(11)] string ParametersHash = "");

/// <summary>Replica → coordinator: it cannot go on.</summary>
/// <param name="Member">Who.</param>
/// <param name="Reason">Why.</param>
[GenerateSerializer, Immutable]
public sealed record FailedMessage([property: Id(0)] string Member, [property: Id(1)] string Reason);

/// <summary>What replicas of one silo say to their coordinator. The order of things said does not matter to it, nor whether they are said twice.</summary>
[GenerateSerializer, Immutable]
public sealed record HeardMessage
{
    /// <summary>They offer themselves.</summary>
    [Id(0)]
    public IReadOnlyList<JoinMessage> Joins { get; init; } = [];

    /// <summary>They have a step's reduced gradient.</summary>
    [Id(1)]
    public IReadOnlyList<ReadyMessage> Ready { get; init; } = [];

    /// <summary>They say where they are.</summary>
    [Id(2)]
    public IReadOnlyList<ReportMessage> Reports { get; init; } = [];

    /// <summary>Newcomers that have the committed state.</summary>
    [Id(3)]
    public IReadOnlyList<JoinedMessage> Joined { get; init; } = [];

    /// <summary>Newcomers that could not copy a state.</summary>
    [Id(4)]
    public IReadOnlyList<CopyFailedMessage> CopiesFailed { get; init; } = [];

    /// <summary>They could not reach peers.</summary>
    [Id(5)]
    public IReadOnlyList<PeerLostMessage> PeersLost { get; init; } = [];

    /// <summary>They live, and have heard nothing for a while.</summary>
    [Id(6)]
    public IReadOnlyList<PresenceMessage> Present { get; init; } = [];

    /// <summary>They cannot go on.</summary>
    [Id(7)]
    public IReadOnlyList<FailedMessage> Failed { get; init; } = [];

    /// <summary>They cannot come by the optimizer's state that is theirs to hold.</summary>
    [Id(8)]
    public IReadOnlyList<MomentsMissingMessage> MomentsMissing { get; init; } = [];

    /// <summary>Whether there is nothing in it but <see cref="Present"/>.</summary>
    public bool SaysOnlyWhoIsThere =>
        MomentsMissing.Count + Joins.Count + Ready.Count + Reports.Count + Joined.Count + CopiesFailed.Count + PeersLost.Count + Failed.Count == 0;
}

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
/// <param name="Members">The replicas that take part, as <see cref="ReplicaKey.MemberId"/> names them.</param>
/// <param name="LostLanes">Lanes computed again because their replica died.</param>
/// <param name="Finished">Whether the last step asked for is committed.</param>
/// <param name="Stopped">Why the run cannot go on, or null.</param>
/// <param name="Joined">Replicas taken in after the beginning.</param>
/// <param name="Stalled">Steps that began late because somebody joined.</param>
/// <param name="Superseded">Whether another driver has asked since the asker took its turn: it is no longer in charge.</param>
/// <param name="MovedLanes">Lanes that have gone from slow replicas to fast ones, since this coordinator took charge.</param>
/// <param name="MomentsLost">Whether it stopped because a part of a sharded optimizer's state is gone with all who held it.</param>
[GenerateSerializer, Immutable]
public sealed record CoordinatorProgress(
    [property: Id(0)] long Steps, [property: Id(1)] IReadOnlyList<StepResult> Results, [property: Id(2)] long Generation,
    [property: Id(3)] IReadOnlyList<string> Members, [property: Id(4)] long LostLanes, [property: Id(5)] bool Finished, [property: Id(6)] string? Stopped,
    [property: Id(7)] long Joined = 0, [property: Id(8)] long Stalled = 0, [property: Id(9)] bool Superseded = false,
    [property: Id(10)] long MovedLanes = 0, [property: Id(11)] bool MomentsLost = false);

/// <summary>What a replica holds.</summary>
/// <param name="Steps">Steps applied.</param>
/// <param name="WeightsSha256">Of the flat parameters.</param>
/// <param name="LanesComputed">Lane gradients computed since it started.</param>
/// <param name="CoordinationSeconds">Time from its READY messages to the COMMITs that answered them.</param>
/// <param name="ComputeSeconds">Time in lane gradients and optimizer steps.</param>
/// <param name="WaitSeconds">Time in which training waited for tokens, or for its state to be read: copied for a checkpoint, validated.</param>
/// <param name="BytesRead">Gradient bytes read from peers since it started.</param>
[GenerateSerializer, Immutable]
public sealed record ReplicaState(
    [property: Id(0)] long Steps, [property: Id(1)] string WeightsSha256, [property: Id(2)] long LanesComputed,
    [property: Id(3)] double CoordinationSeconds, [property: Id(4)] double ComputeSeconds,
    [property: Id(5)] double WaitSeconds, [property: Id(6)] long BytesRead = 0);

/// <summary>What a replica takes of its process' memory, as it was allocated.</summary>
/// <param name="Weights">Bytes of parameters and the copy of them that products read.</param>
/// <param name="Moments">Bytes of the optimizer's moments that it holds.</param>
/// <param name="Gradients">Bytes of lanes' sums, the reduced gradient and, where the optimizer is sharded, own parameters after the step.</param>
/// <param name="Activations">Bytes of a micro-batch's activations and their gradients.</param>
[GenerateSerializer, Immutable]
public sealed record ReplicaBytes(
    [property: Id(0)] long Weights, [property: Id(1)] long Moments, [property: Id(2)] long Gradients, [property: Id(3)] long Activations)
{
    /// <summary>All of them.</summary>
    public long Total => Weights + Moments + Gradients + Activations;
}

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
