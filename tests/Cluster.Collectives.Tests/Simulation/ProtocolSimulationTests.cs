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
        long events = 0, full = 0, dead = 0, act = 0, joined = 0, lost = 0, max = 0;
        var stops = new Dictionary<string, int>();
        for (ulong seed = ulong.Parse(Environment.GetEnvironmentVariable("FROM") ?? "0"), end = seed + n; seed < end; seed++)
        {
            var result = ProtocolSimulation.Run(seed, new SimulationOptions());
            events += result.Events;
            act += result.Activations; joined += result.Joined; lost += result.LanesLost; max = Math.Max(max, result.Events);
            if (result.Stopped is null && result.Violation is null) { if (result.Done) full++; else dead++; }
            if (result.Violation is not null)
                failures.Add(result);
            if (result.Stopped is not null)
                stops[result.Stopped[..Math.Min(40, result.Stopped.Length)]] = stops.GetValueOrDefault(result.Stopped[..Math.Min(40, result.Stopped.Length)]) + 1;
        }

        var text = new System.IO.StringWriter();
        text.WriteLine($"{n} seeds {watch.Elapsed.TotalSeconds:F1} s, {events / (double)n:F0} events, {failures.Count} failures");
        text.WriteLine($"reached {full}, all dead {dead}, activations {act / (double)n:F2}, joined {joined / (double)n:F2}, lost lanes {lost / (double)n:F2}, max events {max}");
        foreach (var bug in Enum.GetValues<PlantedBug>())
        {
            if (bug == PlantedBug.None) continue;
            ulong s = 0; SimulationResult? r = null; var found = 0;
            for (; s < 2000; s++) { var x = ProtocolSimulation.Run(s, new SimulationOptions { Bug = bug }); if (x.Violation is not null) { r ??= x; found++; } }
            text.WriteLine($"  BUG {bug}: {found}/2000, first {r?.Seed} {r?.Violation?[..Math.Min(150, r.Violation.Length)]}");
        }
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
