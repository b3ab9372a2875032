using Cluster.Silo.Checkpoints;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Silo.Training;

/// <summary>The instruments of training.</summary>
internal static class TrainingTelemetry
{
    /// <summary>Adds them for the grains and replicas of a silo.</summary>
    public static void AddTrainingInstruments(this IServiceCollection services)
    {
        services.AddSingleton<TrainingInstruments>();
        services.AddSingleton<CoordinatorInstruments>();
        services.AddSingleton<ReplicaInstruments>();
        services.AddSingleton<CheckpointInstruments>();
    }
}
