using System.Diagnostics;
using Cluster.Cli.Hosting.Local;

namespace Cluster.Cli.Tests.Hosting.Local;

public class ProcessIdentityTests
{
    [Fact]
    public void OfThis_AskedAgain_SameAndAlive()
    {
        var self = ProcessIdentity.OfThis();

        Assert.Equal(self, ProcessIdentity.Of(Environment.ProcessId));
        Assert.True(self.IsAlive());
    }

    [Fact]
    public void IsAlive_SameNumberBegunAtAnotherTime_IsNot()
    {
        Assert.False((ProcessIdentity.OfThis() with { Began = "1" }).IsAlive());
    }

    [Fact]
    public async Task WaitForEnd_ProcessEnds_Returns()
    {
        using var process = Process.Start(new ProcessStartInfo("cat") { RedirectStandardInput = true })!;
        var identity = ProcessIdentity.Of(process.Id)!;
        var end = identity.WaitForEndAsync(CancellationToken.None);
        Assert.False(end.IsCompleted);

        process.StandardInput.Close();
        await end;

        Assert.False(identity.IsAlive());
        Assert.Null(ProcessIdentity.Of(0));
    }
}
