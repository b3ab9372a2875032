using System.Text.Json;
using Cluster.Cli.Diagnostics;

namespace Cluster.Cli.Tests.Verbs;

public class DoctorVerbTests
{
    [Fact]
    public async Task Doctor_ThisMachine_ChecksEverything()
    {
        using var folder = new TempFolder();
        var result = await new Cli { Diagnose = Doctor.Examine }.ThenAsync("doctor", "--root", folder.In("runs"), "--json");
        using var json = JsonDocument.Parse(result.Output);
        var checks = json.RootElement.GetProperty("checks").EnumerateArray().ToDictionary(
            check => check.GetProperty("name").GetString()!, check => check.GetProperty("status").GetString());
        foreach (var name in (string[])["runtime", "sdk", "system", "tensor_library", "vectors", "cores", "memory", "disk", "runs_folder", "port_11111", "port_30000", "port_8080", "cuda", "reference_packs"])
            Assert.Contains(name, checks.Keys);
        Assert.Equal("ok", checks["tensor_library"]);
        Assert.Equal("ok", checks["runs_folder"]);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Doctor_Failure_ExitsWith1AndSaysWhatToDo()
    {
        var health = DoctorReport.Of([new("cores", "2", CheckStatus.Ok), new("disk", "0 B free", CheckStatus.Failure, "Free some.")]);
        var result = await new Cli { Health = health }.ThenAsync("doctor");
        Assert.Equal(1, result.Code);
        Assert.Equal("ok       cores            2\nfailure  disk             0 B free\n                           → Free some.\n", result.Output);
    }

    [Fact]
    public async Task Doctor_Warning_ExitsWith0() =>
        Assert.Equal(0, (await new Cli { Health = DoctorReport.Of([new("cores", "1", CheckStatus.Warning, "Give it two.")]) }.ThenAsync("doctor")).Code);
}
