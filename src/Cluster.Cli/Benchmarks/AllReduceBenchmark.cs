using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Cluster.Core.Errors;
using Cluster.Core.Models;

namespace Cluster.Cli.Benchmarks;

/// <summary>What an all-reduce benchmark found, with the limits of the machine in the same run.</summary>
/// <param name="Processes">Replicas, each a process.</param>
/// <param name="Megabytes">Of the gradient, in fp32.</param>
/// <param name="Lanes">Lanes of the tree.</param>
/// <param name="Transport">SharedMemory or Tcp: the way that was taken.</param>
/// <param name="MedianMilliseconds">A reduction, the slowest member's time, median of the rounds.</param>
/// <param name="BestMilliseconds">Best of the rounds.</param>
/// <param name="ProcessorMilliseconds">Processor time of all members in a reduction, median of the rounds: what it costs a machine that
/// does something else besides.</param>
/// <param name="GigabytesPerSecond">Gradient over the best time.</param>
/// <param name="MemcpyGigabytesPerSecond">Copying as much memory on one thread: best of several.</param>
/// <param name="TcpStreamGigabytesPerSecond">One TCP stream over loopback: best of several.</param>
/// <param name="BestTimesMemcpy">Best time over the time of one such copy.</param>
/// <param name="Hash">The gradient's, the same at every member in every round.</param>
/// <param name="BytesRead">Of peers by all members in a reduction.</param>
/// <param name="Bf16MedianMilliseconds">The same gradient with nodes in bf16, in rounds in turn with those in fp32.</param>
/// <param name="Bf16BestMilliseconds">Best of the rounds.</param>
/// <param name="Bf16ProcessorMilliseconds">Processor time of all members in a reduction, median of the rounds.</param>
/// <param name="Bf16BytesRead">Of peers by all members in a reduction.</param>
/// <param name="Bf16Hash">The gradient's.</param>
public sealed record AllReduceBenchmarkResult(
    int Processes, int Megabytes, int Lanes, string Transport, double MedianMilliseconds, double BestMilliseconds, double ProcessorMilliseconds,
    double GigabytesPerSecond, double MemcpyGigabytesPerSecond, double TcpStreamGigabytesPerSecond, double BestTimesMemcpy, string Hash,
    long BytesRead, double Bf16MedianMilliseconds, double Bf16BestMilliseconds, double Bf16ProcessorMilliseconds, long Bf16BytesRead, string Bf16Hash);

/// <summary>Starts members as processes of this program, has them reduce in step and times the slowest of each round.</summary>
internal static class AllReduceBenchmark
{
    private const int WarmUp = 100, Rounds = 40, LimitRounds = 10, Chunk = 512 * 1024;

    public static async Task<AllReduceBenchmarkResult> RunAsync(int processes, int megabytes, bool share, CancellationToken cancellation)
    {
        var bytes = megabytes * 1_048_576L;
        var lanes = Math.Max(4, processes);
        var secret = RandomNumberGenerator.GetBytes(32);
        var (memcpy, stream) = (Memcpy(bytes), await TcpStreamAsync(bytes, cancellation));
        var groups = new List<Group>();
        try
        {
            foreach (var precision in (ReductionPrecision[])[ReductionPrecision.Fp32, ReductionPrecision.Bf16])
            {
                var group = new Group();
                groups.Add(group);
                for (var m = 0; m < processes; m++)
                    group.Members.Add(Start(AllReduceMember.Describe(m, processes, lanes, (int)(bytes / sizeof(float)), share, secret, precision)));
                var addresses = await AskAsync(group.Members, null, cancellation);
                await AskAsync(group.Members, string.Join(' ', addresses), cancellation);
            }

            // In turn, so that both meet the same company on the machine.
            for (var round = 0; round < WarmUp + Rounds; round++)
            {
                foreach (var group in groups)
                    await RunAsync(group, round, cancellation);
            }

            var (full, half) = (groups[0], groups[1]);
            return new AllReduceBenchmarkResult(
                processes, megabytes, lanes, full.Way, full.Median, full.Best, full.Busy, Math.Round(bytes / full.Best / 1e6, 2), Math.Round(memcpy, 1), Math.Round(stream, 1),
                Math.Round(full.Best / (bytes / memcpy / 1e6), 2), full.Hash, full.BytesRead, half.Median, half.Best, half.Busy, half.BytesRead, half.Hash);
        }
        finally
        {
            foreach (var member in groups.SelectMany(group => group.Members))
                await EndAsync(member);
        }
    }

    private static async Task RunAsync(Group group, int round, CancellationToken cancellation)
    {
        var answers = (await AskAsync(group.Members, round.ToString(CultureInfo.InvariantCulture), cancellation)).Select(a => a.Split(' ')).ToArray();
        if (answers.Select(a => a[1]).Distinct().Count() != 1)
            throw new InvalidOperationException($"Round {round} gave unequal gradients: {string.Join(", ", answers.Select(a => a[1]))}.");
        (group.Hash, group.Way) = (answers[0][1], answers[0][2]);
        group.BytesRead = answers.Sum(a => long.Parse(a[4], CultureInfo.InvariantCulture));
        if (round < WarmUp)
            return;
        group.Times.Add(answers.Max(a => double.Parse(a[0], CultureInfo.InvariantCulture)));
        group.BusyTimes.Add(answers.Sum(a => double.Parse(a[3], CultureInfo.InvariantCulture)));
    }

    private static Process Start(string part)
    {
        // Under `dotnet Cluster.Cli.dll` the process is dotnet and the program its first argument.
        var program = Environment.ProcessPath!;
        var arguments = new List<string> { "bench", AllReduceMember.Verb };
        if (Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
            arguments.Insert(0, Environment.GetCommandLineArgs()[0]);
        var member = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        member.StandardInput.WriteLine(part);
        member.StandardInput.Flush();
        return member;
    }

    /// <summary>Says a line to every member and takes a line of each.</summary>
    private static async Task<string[]> AskAsync(List<Process> members, string? line, CancellationToken cancellation)
    {
        foreach (var member in members)
        {
            if (line is not null)
                await member.StandardInput.WriteLineAsync(line.AsMemory(), cancellation);
            await member.StandardInput.FlushAsync(cancellation);
        }

        var answers = new string[members.Count];
        for (var m = 0; m < answers.Length; m++)
        {
            answers[m] = await members[m].StandardOutput.ReadLineAsync(cancellation)
                ?? throw new UserErrorException($"Member {m} of the benchmark ended.", "See its message above; less memory may help: --megabytes 16.");
        }

        return answers;
    }

    private static async Task EndAsync(Process member)
    {
        using var ended = member;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            member.StandardInput.Close();
            await member.WaitForExitAsync(patience.Token);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            member.Kill();
        }
    }

    private static double Memcpy(long bytes)
    {
        var length = (int)Math.Min(bytes, 1 << 30);
        byte[] from = GC.AllocateUninitializedArray<byte>(length), to = GC.AllocateUninitializedArray<byte>(length);
        Array.Fill(from, (byte)1);
        var best = 0.0;
        for (var round = 0; round < LimitRounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            from.AsSpan().CopyTo(to);
            best = Math.Max(best, length / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }

        return best;
    }

    private static async Task<double> TcpStreamAsync(long bytes, CancellationToken cancellation)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await sender.ConnectAsync(listener.LocalEndPoint!, cancellation);
        using var receiver = await listener.AcceptAsync(cancellation);
        byte[] from = new byte[Chunk], to = new byte[Chunk];
        var best = 0.0;
        for (var round = 0; round < LimitRounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            var sending = Task.Run(
                () =>
                {
                    for (long sent = 0; sent < bytes;)
                        sent += sender.Send(from, 0, (int)Math.Min(Chunk, bytes - sent), SocketFlags.None);
                },
                cancellation);
            for (long got = 0; got < bytes;)
                got += receiver.Receive(to, 0, (int)Math.Min(Chunk, bytes - got), SocketFlags.None);
            await sending;
            best = Math.Max(best, bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }

        return best;
    }

    /// <summary>The members of one precision, and what they said.</summary>
    private sealed class Group
    {
        public List<Process> Members { get; } = [];

        public List<double> Times { get; } = [];

        public List<double> BusyTimes { get; } = [];

        public string Hash { get; set; } = "";

        public string Way { get; set; } = "";

        public long BytesRead { get; set; }

        public double Median => Math.Round(Benchmarks.Median.Of(Times), 2);

        public double Best => Math.Round(Times.Min(), 2);

        public double Busy => Math.Round(Benchmarks.Median.Of(BusyTimes), 1);
    }
}
