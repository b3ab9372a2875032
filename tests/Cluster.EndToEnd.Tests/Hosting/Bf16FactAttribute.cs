using Cluster.Core.Models;
using Cluster.Model.Runtime;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A test that needs bf16 products in hardware; skipped on a processor without them.</summary>
public sealed class Bf16FactAttribute : FactAttribute
{
    public Bf16FactAttribute()
    {
        if (MachineCalibration.BestPrecision != Precision.Bf16)
            Skip = "This processor has no bf16 products.";
    }
}
