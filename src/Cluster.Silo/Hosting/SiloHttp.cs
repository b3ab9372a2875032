using System.Globalization;
using System.Net;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Hosting;

/// <summary>
/// The HTTP of a silo's process: health and metrics at <c>Cluster:HttpPort</c>, where 0 takes a free one from <see cref="FirstPort"/> on and
/// no value serves nothing; on loopback, or at <c>Cluster:HttpAddress</c>.
/// </summary>
internal static class SiloHttp
{
    /// <summary>The usual port of a process's OpenTelemetry metrics.</summary>
    private const int FirstPort = 9_464;

    private const int Tries = 500;

    private const string PortKey = "Cluster:HttpPort", AddressKey = "Cluster:HttpAddress";

    /// <summary>Takes the port and adds what is served; null where nothing is.</summary>
    /// <exception cref="UserErrorException">A value is of no use, or the port occupied.</exception>
    public static HttpSocket? AddSiloHttp(this IHostApplicationBuilder builder)
    {
        if (builder.Configuration[PortKey] is not { Length: > 0 } text)
            return null;
        if (!ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            throw new UserErrorException($"{PortKey} is \"{text}\".", "Give a port from 1 to 65535, or 0 to let a free one be chosen.");
        var address = IPAddress.Loopback;
        if (builder.Configuration[AddressKey] is { Length: > 0 } asked && !IPAddress.TryParse(asked, out address))
            throw new UserErrorException($"{AddressKey} is \"{asked}\".", "Give an IP address of this machine, or 0.0.0.0 for all.");
        builder.Services.AddHealthChecks().AddCheck<SiloCheck>("silo", tags: [ServiceDefaultsExtensions.Ready]);
        builder.Services.AddHostedService<SiloInstruments>();
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        if (port > 0)
            return HttpSocket.Take(address, port, $"{PortKey}=0");
        // Each process begins elsewhere: what still asks at the port of one that died must not reach another.
        var ports = Enumerable.Range(0, Tries).Select(i => FirstPort + ((Environment.ProcessId + i) % Tries));
        return HttpSocket.TakeFirstFree(address, ports)
            ?? throw new UserErrorException($"No port from {FirstPort} to {FirstPort + Tries - 1} is free.", $"Give a free one as {PortKey}.");
    }
}
