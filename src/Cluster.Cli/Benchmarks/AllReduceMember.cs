using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Models;
using Cluster.Silo.DataPlane;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// One replica of the all-reduce benchmark: the exchange as training uses it, without a model. Enters, by lines: its part, the
/// members' addresses, then the number of each reduction. Leaves, by lines: its address, "ready", then milliseconds, hash, way,
/// processor milliseconds and bytes read of each. Ends with its input.
/// </summary>
internal static class AllReduceMember
{
    /// <summary>The hidden verb.</summary>
    public const string Verb = "all-reduce-member";

    private const ulong RunId = 1;

    /// <summary>The first line: what a member is told.</summary>
    public static string Describe(int member, int members, int lanes, int floats, bool share, byte[] secret, ReductionPrecision precision) =>
        FormattableString.Invariant($"{member} {members} {lanes} {floats} {share} {Convert.ToHexString(secret)} {precision}");

    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellation)
    {
        var part = (await input.ReadLineAsync(cancellation) ?? "").Split(' ');
        int[] numbers = [.. part.Take(4).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        var (member, members, lanes, floats) = (numbers[0], numbers[1], numbers[2], numbers[3]);
        var (share, secret, precision) = (bool.Parse(part[4]), Convert.FromHexString(part[5]), Enum.Parse<ReductionPrecision>(part[6]));
        var hub = new ExchangeHub(IPAddress.Loopback, share);
        var board = new ExchangeBoard(RunId, share);
        await using var registration = hub.Register(board, secret);
        await output.WriteLineAsync(registration.Address);
        await output.FlushAsync(cancellation);
        var addresses = (await input.ReadLineAsync(cancellation) ?? "").Split(' ');

        var slices = SlicePlan.Of(floats, precision);
        var buffers = board.CreateBuffers(slices, lanes);
        var nodes = new NodeStore(new LaneTree(lanes), floats, buffers, precision);
        var assignment = LaneAssignment.Even(lanes, members);
        nodes.BeginStep(0);
        for (var lane = assignment[member].Start; lane < assignment[member].End; lane++)
        {
            Fill(nodes.BeginLane(lane), (uint)lane);
            nodes.CompleteLane(lane);
        }

        var reduced = buffers.Allocate();
        var exchange = new GradientExchange(board, slices);
        var links = addresses.Select((address, m) => m == member ? null : hub.Connect(address, secret)).ToArray();
        await output.WriteLineAsync("ready");
        await output.FlushAsync(cancellation);
        while (await input.ReadLineAsync(cancellation) is { Length: > 0 } step)
        {
            var key = new ExchangeKey(RunId, 1, 1, long.Parse(step, CultureInfo.InvariantCulture));
            var (start, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            board.Advance(key);
            var (hash, _, _) = await exchange.ReduceAsync(key, assignment, member, links, nodes, reduced, cancellation);
            var milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            var busy = (Environment.CpuUsage.TotalTime - used).TotalMilliseconds;
            var way = links.OfType<RemoteLink>().Select(link => link.Transport).Distinct().SingleOrDefault();
            await output.WriteLineAsync(FormattableString.Invariant($"{milliseconds} {hash} {way} {busy} {Enumerable.Range(0, members).Sum(exchange.BytesFrom)}"));
            await output.FlushAsync(cancellation);
        }

        foreach (var link in links.OfType<IPeerLink>())
            await link.DisposeAsync();
    }

    /// <summary>Numbers between 1 and 2 that differ from lane to lane; cheap, for gradients of gigabytes.</summary>
    private static void Fill(Span<float> values, uint lane)
    {
        var state = lane * 2_654_435_761u + 1;
        foreach (ref var bits in MemoryMarshal.Cast<float, uint>(values))
        {
            state = state * 1_664_525u + 1_013_904_223u;
            bits = 0x3F80_0000u | state >> 9;
        }
    }
}
