using System.Text;
using Cluster.Cli.Chat;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Core.Runs;

namespace Cluster.Cli.Tests;

/// <summary>What a command left.</summary>
internal sealed record CliResult(int Code, byte[] OutputBytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(OutputBytes);
}

/// <summary>Runs commands in this process.</summary>
internal sealed class Cli
{
    public FakeRunHost Host { get; } = new();

    public byte[] Input { get; init; } = [];

    public bool IsTerminal { get; init; }

    public IChatModel? ChatModel { get; init; }

    public Dictionary<string, string> Variables { get; } = [];

    public DoctorReport Health { get; set; } = DoctorReport.Of([new DoctorCheck("cores", "2", CheckStatus.Ok)]);

    /// <summary>Answers instead of <see cref="Health"/>.</summary>
    public Func<DoctorOptions, DoctorReport>? Diagnose { get; set; }

    public List<int> Exits { get; } = [];

    public Interrupts Interrupts => field ??= new Interrupts(Exits.Add);

    public static Task<CliResult> RunAsync(params string[] arguments) => new Cli().ThenAsync(arguments);

    public async Task<CliResult> ThenAsync(params string[] arguments)
    {
        using var output = new MemoryStream();
        var error = new StringWriter();
        var code = await CommandLine.RunAsync(arguments, new CliEnvironment
        {
            Input = new MemoryStream(Input),
            InputLines = new StreamReader(new MemoryStream(Input)),
            OutputBytes = output,
            Output = TextWriter.Synchronized(new StreamWriter(output, new UTF8Encoding(false)) { AutoFlush = true }),
            Error = TextWriter.Synchronized(error),
            InputIsTerminal = IsTerminal,
            OutputIsTerminal = IsTerminal,
            Interrupts = Interrupts,
            RunHost = () => Host,
            OpenChat = ChatModel is null ? null : (_, _) => Task.FromResult(ChatModel),
            Diagnose = Diagnose ?? (_ => Health),
            Variable = name => Variables.GetValueOrDefault(name),
            Command = "cluster",
        });
        return new CliResult(code, output.ToArray(), error.ToString());
    }

    /// <summary>A mistake of the user: one paragraph that says it, nothing on standard output, no stack trace.</summary>
    public static void AssertUserError(CliResult result, params string[] parts)
    {
        Assert.Equal(1, result.Code);
        Assert.Equal("", result.Output);
        Assert.Equal(1, result.Error.Count(c => c == '\n'));
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", result.Error, StringComparison.Ordinal);
        foreach (var part in parts)
            Assert.Contains(part, result.Error, StringComparison.Ordinal);
    }
}
