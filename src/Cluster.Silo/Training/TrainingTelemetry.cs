using Cluster.Silo.Checkpoints;
using Cluster.Silo.Stages;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Silo.Training;

/// <summary>The instruments of training and of what comes before it.</summary>
internal static class TrainingTelemetry
{
    /// <summary>Adds them for the grains and replicas of a silo.</summary>
    public static void AddTrainingInstruments(this IServiceCollection services)
    {
        services.AddSingleton<DataInstruments>();
        services.AddSingleton<TrainingInstruments>();
        services.AddSingleton<CoordinatorInstruments>();
        services.AddSingleton<ReplicaInstruments>();
        services.AddSingleton<CheckpointInstruments>();
    }
}
