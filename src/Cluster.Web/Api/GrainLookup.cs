using Orleans;
using Orleans.Runtime;

namespace Cluster.Web.Api;

/// <summary>References to grains, also before the cluster was reached.</summary>
internal static class GrainLookup
{
    /// <summary>A reference to a grain.</summary>
    /// <exception cref="OrleansException">No silo was reached yet that has such grains.</exception>
    public static T Find<T>(this IGrainFactory grains, string key)
        where T : IGrainWithStringKey
    {
        try
        {
            return grains.GetGrain<T>(key);
        }
        catch (ArgumentException error)
        {
            // A client learns from its first silo which grains there are.
            throw new OrleansException($"No silo with {typeof(T).Name} was reached.", error);
        }
    }
}
