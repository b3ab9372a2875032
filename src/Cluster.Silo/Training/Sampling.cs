using Cluster.Contracts.Training;
using Cluster.Core.Models;

namespace Cluster.Silo.Training;

/// <summary>Lets weights in training write something: greedy, on the calling thread.</summary>
internal static class Sampling
{
    /// <summary>The ids that follow the prompt.</summary>
    public static int[] Write(ParameterLayout layout, float[] parameters, SampleRequest request) => throw new NotImplementedException();
}
