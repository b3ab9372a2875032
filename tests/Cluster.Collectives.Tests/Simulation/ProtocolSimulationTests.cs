using Cluster.Collectives.Simulation;

namespace Cluster.Collectives.Tests.Simulation;

public class ProtocolSimulationTests
{
    [Fact]
    public void Explore()
    {
        var n = ulong.Parse(Environment.GetEnvironmentVariable("SEEDS") ?? "1000");
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var failures = new List<SimulationResult>();
        long events = 0;
        var stops = new Dictionary<string, int>();
        for (ulong seed = 0; seed < n; seed++)
        {
            var result = ProtocolSimulation.Run(seed, new SimulationOptions());
            events += result.Events;
            if (result.Violation is not null)
                failures.Add(result);
            if (result.Stopped is not null)
                stops[result.Stopped[..Math.Min(40, result.Stopped.Length)]] = stops.GetValueOrDefault(result.Stopped[..Math.Min(40, result.Stopped.Length)]) + 1;
        }

        var text = new System.IO.StringWriter();
        text.WriteLine($"{n} seeds {watch.Elapsed.TotalSeconds:F1} s, {events / (double)n:F0} events, {failures.Count} failures");
        foreach (var (k, v) in stops)
            text.WriteLine($"  stop {v}: {k}");
        foreach (var group in failures.GroupBy(f => new string(f.Violation!.Where(c => !char.IsDigit(c)).Take(60).ToArray())).OrderByDescending(g => g.Count()))
            text.WriteLine($"  {group.Count()}: seed {group.First().Seed} {group.First().Violation}");
        if (failures.Count > 0)
        {
            var pick = failures.MinBy(f => f.Faults.Count)!;
            var small = ProtocolSimulation.Shrink(pick.Seed, new SimulationOptions());
            text.WriteLine($"seed {small.Seed} {small.Violation}");
            foreach (var f in small.Faults)
                text.WriteLine("  " + f);
            foreach (var line in small.Trace)
                text.WriteLine(line);
        }

        File.WriteAllText("/tmp/explore.txt", text.ToString());
    }
}
