using Cluster.Core.Randomness;

namespace Cluster.Inference.Tests.Constraints;

/// <summary>Random numbers one after the other.</summary>
internal sealed class Draws(ulong stream)
{
    private readonly CounterRandom _random = new(17, RandomPurpose.Synthetic, stream);
    private ulong _drawn;

    public int Below(int bound) => (int)_random.Below(_drawn++, (ulong)bound);

    public string Pick(params string[] choices) => choices[Below(choices.Length)];
}
