using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// One validation: which lanes still lack their sums, and the mean once all are there. Sums meet along the lanes' tree, so the mean
/// does not depend on who evaluated which lanes, nor on anyone's death. Pure.
/// </summary>
/// <param name="steps">Steps applied by the state that is evaluated.</param>
/// <param name="lanes">Lanes.</param>
internal sealed class Validation(long steps, int lanes)
{
    private readonly double[] _losses = new double[lanes];
    private readonly long[] _tokens = new long[lanes];
    private readonly string?[] _askedOf = new string?[lanes];
    private readonly bool[] _there = new bool[lanes];

    /// <summary>Whether all lanes are there.</summary>
    public bool Complete => Array.TrueForAll(_there, t => t);

    /// <summary>Nats per unmasked token, once complete.</summary>
    public double Mean => LaneTree.Sum(_losses) / Math.Max(1, _tokens.Sum());

    /// <summary>Whom to ask for which contiguous lanes, so that every lane is asked of somebody who is there.</summary>
    /// <param name="replicas">Who is there, at least one.</param>
    public IReadOnlyList<(string Replica, int FirstLane, int Lanes)> Ask(IReadOnlyList<string> replicas)
    {
        var open = Enumerable.Range(0, lanes).Where(l => !_there[l] && (_askedOf[l] is not { } asked || !replicas.Contains(asked))).ToArray();
        var asks = new List<(string, int, int)>();
        for (var i = 0; i < open.Length; i++)
        {
            var replica = replicas[(int)((long)i * replicas.Count / open.Length)];
            _askedOf[open[i]] = replica;
            if (asks.Count > 0 && asks[^1] is var (last, first, count) && last == replica && first + count == open[i])
                asks[^1] = (replica, first, count + 1);
            else
                asks.Add((replica, open[i], 1));
        }

        return asks;
    }

    /// <summary>Takes an answer; one about other steps, or said twice, changes nothing.</summary>
    public void Receive(EvaluationResult result)
    {
        if (result.Steps != steps)
            return;
        for (var i = 0; i < result.Losses.Count; i++)
        {
            var lane = result.FirstLane + i;
            (_losses[lane], _tokens[lane], _there[lane]) = (result.Losses[i], result.Tokens[i], true);
        }
    }
}
