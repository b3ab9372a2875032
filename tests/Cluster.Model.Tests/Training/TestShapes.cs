using Cluster.Core.Models;

namespace Cluster.Model.Tests.Training;

internal static class TestShapes
{
    /// <summary>A shape with every option other than its default's.</summary>
    public static ModelShape WithEverything(this ModelShape shape) => shape with
    {
        Activation = Activation.Gelu,
        Norm = Normalization.RmsNorm,
        Positions = PositionEncoding.Rotary,
        Biases = true,
        TiedHead = false,
        Heads = 4,
        KvHeads = 2,
        HeadSize = 40,
    };
}
