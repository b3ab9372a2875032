using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>What each step of a stage does and where the stage halts. Key: run/stage.</summary>
[Alias("Cluster.Training.Schedule")]
public interface IScheduleGrain : IGrainWithStringKey
{
    /// <summary>Takes a stage's recipe.</summary>
    [Alias("Open")]
    Task OpenAsync(TrainingJob job);

    /// <summary>The outline of a step.</summary>
    [Alias("GetStep"), AlwaysInterleave]
    Task<StepMessage> GetStepAsync(long step);

    /// <summary>The next halt after so many applied steps, not beyond <paramref name="last"/>.</summary>
    [Alias("GetHalt"), AlwaysInterleave]
    Task<HaltMessage> GetHaltAsync(long steps, long last);
}

/// <summary>A step's outline.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="Phase">Name of the phase.</param>
/// <param name="LearningRate">Absolute.</param>
/// <param name="Context">Tokens of one sequence.</param>
/// <param name="MicroBatches">Per lane.</param>
/// <param name="Tokens">Of all lanes, padding included.</param>
/// <param name="TokensBefore">Of all earlier steps.</param>
[GenerateSerializer, Immutable]
public sealed record StepMessage(
    [property: Id(0)] long Step, [property: Id(1)] string Phase, [property: Id(2)] double LearningRate, [property: Id(3)] int Context,
    [property: Id(4)] int MicroBatches, [property: Id(5)] long Tokens, [property: Id(6)] long TokensBefore);

/// <summary>Where a stage halts.</summary>
/// <param name="Steps">Steps applied there.</param>
/// <param name="Evaluate">Whether it validates there.</param>
/// <param name="Save">Whether it saves a checkpoint there.</param>
[GenerateSerializer, Immutable]
public sealed record HaltMessage([property: Id(0)] long Steps, [property: Id(1)] bool Evaluate, [property: Id(2)] bool Save);
