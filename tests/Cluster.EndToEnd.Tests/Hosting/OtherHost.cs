using System.Diagnostics;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>
/// Another host as far as network and processes go: namespaces of its own (network_namespaces(7), pid_namespaces(7)), joined to this one
/// by a virtual cable that can be unplugged. Its files are this host's, as on a shared volume. Needs root.
/// </summary>
internal sealed class OtherHost : IDisposable
{
    private readonly string _name = $"cluster{Environment.ProcessId}", _cable = $"cl{Environment.ProcessId}";

    /// <summary>This host's end of the cable, and the other's: of 198.18.0.0/15, which is for tests (RFC 2544).</summary>
    public const string Here = "198.18.77.1", There = "198.18.77.2";

    /// <summary>Why there can be none, or null.</summary>
    public static string? Problem { get; } = Find();

    public OtherHost()
    {
        Ip("netns", "add", _name);
        Ip("link", "add", _cable, "type", "veth", "peer", "name", "eth0", "netns", _name);
        Ip("addr", "add", Here + "/30", "dev", _cable);
        Ip("link", "set", _cable, "up");
        Ip("-n", _name, "addr", "add", There + "/30", "dev", "eth0");
        Ip("-n", _name, "link", "set", "eth0", "up");
        Ip("-n", _name, "link", "set", "lo", "up");
    }

    /// <summary>Runs this repository's program there.</summary>
    public LineProcess Cluster(IReadOnlyDictionary<string, string?> environment, params IEnumerable<string> arguments) => LineProcess.Start(environment,
        "ip", ["netns", "exec", _name, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "dotnet", LineProcess.Program, .. arguments]);

    /// <summary>Nothing arrives in either direction, and nobody is told.</summary>
    public void Unplug() => Ip("link", "set", _cable, "down");

    /// <summary>Joins the hosts again.</summary>
    public void Plug() => Ip("link", "set", _cable, "up");

    /// <summary>To be called when its processes have ended.</summary>
    public void Dispose() => Ip("netns", "del", _name);

    private static string? Find()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
            return "Namespaces need Linux and root.";
        var probe = $"clusterprobe{Environment.ProcessId}";
        try
        {
            Ip("netns", "add", probe);
            Ip("netns", "exec", probe, "unshare", "--pid", "--fork", "--mount-proc", "true");
            Ip("netns", "del", probe);
            return null;
        }
        catch (Exception error) when (error is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return error.Message;
        }
    }

    private static void Ip(params IEnumerable<string> arguments)
    {
        using var ip = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var said = ip.StandardError.ReadToEnd();
        ip.WaitForExit();
        if (ip.ExitCode != 0)
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: {said.Trim()}");
    }
}

/// <summary>A test with another host and a real Redis between them; skipped where either is impossible.</summary>
public sealed class OtherHostFactAttribute : FactAttribute
{
    public OtherHostFactAttribute() => Skip = OtherHost.Problem ?? (RedisFactAttribute.Server is null ? "No redis-server on the PATH." : null);
}
