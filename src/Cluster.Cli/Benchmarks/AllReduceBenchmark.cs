using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Cluster.Core.Errors;

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
public sealed record AllReduceBenchmarkResult(
    int Processes, int Megabytes, int Lanes, string Transport, double MedianMilliseconds, double BestMilliseconds, double ProcessorMilliseconds,
    double GigabytesPerSecond, double MemcpyGigabytesPerSecond, double TcpStreamGigabytesPerSecond, double BestTimesMemcpy, string Hash);

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
        var members = new List<Process>();
        try
        {
            for (var m = 0; m < processes; m++)
                members.Add(Start(AllReduceMember.Describe(m, processes, lanes, (int)(bytes / sizeof(float)), share, secret)));
            var addresses = await AskAsync(members, null, cancellation);
            await AskAsync(members, string.Join(' ', addresses), cancellation);
            List<double> times = [], busy = [];
            string hash = "", way = "";
            for (var round = 0; round < WarmUp + Rounds; round++)
            {
                var answers = (await AskAsync(members, round.ToString(CultureInfo.InvariantCulture), cancellation)).Select(a => a.Split(' ')).ToArray();
                if (answers.Select(a => a[1]).Distinct().Count() != 1)
                    throw new InvalidOperationException($"Round {round} gave unequal gradients: {string.Join(", ", answers.Select(a => a[1]))}.");
                (hash, way) = (answers[0][1], answers[0][2]);
                if (round < WarmUp)
                    continue;
                times.Add(answers.Max(a => double.Parse(a[0], CultureInfo.InvariantCulture)));
                busy.Add(answers.Sum(a => double.Parse(a[3], CultureInfo.InvariantCulture)));
            }

            times.Sort();
            busy.Sort();
            var best = times[0];
            return new AllReduceBenchmarkResult(processes, megabytes, lanes, way, Math.Round(times[times.Count / 2], 2), Math.Round(best, 2),
                Math.Round(busy[busy.Count / 2], 1), Math.Round(bytes / best / 1e6, 2), Math.Round(memcpy, 1), Math.Round(stream, 1), Math.Round(best / (bytes / memcpy / 1e6), 2), hash);
        }
        finally
        {
            foreach (var member in members)
                await EndAsync(member);
        }
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
}
