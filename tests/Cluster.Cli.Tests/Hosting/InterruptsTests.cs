using Cluster.Cli.Hosting;

namespace Cluster.Cli.Tests.Hosting;

public sealed class InterruptsTests : IDisposable
{
    private readonly List<int> _exits = [];
    private readonly Interrupts _interrupts;

    public InterruptsTests() => _interrupts = new Interrupts(_exits.Add);

    public void Dispose() => _interrupts.Dispose();

    [Fact]
    public void Press_Once_CancelsTwice_Ends()
    {
        _interrupts.Press();
        Assert.True(_interrupts.Token.IsCancellationRequested);
        Assert.Empty(_exits);
        _interrupts.Press();
        Assert.Equal([130], _exits);
    }

    [Fact]
    public void Press_HandlerTakesIt_NothingIsCancelled()
    {
        var asked = new List<string>();
        using (_interrupts.Handle(() => { asked.Add("outer"); return true; }))
        {
            using (_interrupts.Handle(() => { asked.Add("inner"); return false; }))
                _interrupts.Press();
        }

        Assert.Equal(["inner", "outer"], asked);
        Assert.False(_interrupts.Token.IsCancellationRequested);
        _interrupts.Press();
        Assert.True(_interrupts.Token.IsCancellationRequested);
    }

    [Fact]
    public void Press_Terminated_EndsWithItsCode()
    {
        _interrupts.Press(143);
        Assert.Equal(143, _interrupts.ExitCode);
    }
}
