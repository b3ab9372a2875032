using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>The angles of rotary positions (Su et al., "RoFormer", 2021), position / 10000^(2i / head size), as training's table has them.</summary>
internal static class RotaryAngles
{
    /// <summary>The cosines, then the sines of one position's angles.</summary>
    /// <param name="to">[head size].</param>
    /// <param name="position">From 0.</param>
    public static void Fill(Span<float> to, int position)
    {
        var half = to.Length / 2;
        for (var i = 0; i < half; i++)
        {
            var angle = position / Math.Pow(ModelShape.PositionBase, 2.0 * i / to.Length);
            to[i] = (float)Math.Cos(angle);
            to[i + half] = (float)Math.Sin(angle);
        }
    }
}
