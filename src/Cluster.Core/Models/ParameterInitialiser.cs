using Cluster.Core.Randomness;

namespace Cluster.Core.Models;

/// <summary>Initial values as a pure function of layout and seed; each parameter draws from a stream of its own.</summary>
public static class ParameterInitialiser
{
    /// <param name="parameters">The flat vector of the layout's total length; padding becomes 0.</param>
    /// <param name="layout">Names, places and kinds.</param>
    /// <param name="seed">The run's seed.</param>
    public static void Fill(Span<float> parameters, ParameterLayout layout, ulong seed)
    {
        parameters.Clear();
        foreach (var parameter in layout.Parameters)
        {
            var values = parameters.Slice(checked((int)parameter.Offset), checked((int)parameter.Count));
            if (parameter.Initialisation == ParameterInitialisation.Ones)
                values.Fill(1);
            else if (parameter.Initialisation == ParameterInitialisation.Normal)
                new CounterRandom(seed, RandomPurpose.Initialisation, (ulong)parameter.Index).Normal(values, parameter.StandardDeviation);
        }
    }
}
