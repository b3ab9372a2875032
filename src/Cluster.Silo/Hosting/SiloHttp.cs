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
/// The HTTP of a silo's process: health and metrics at <c>Cluster:HttpPort</c>, where 0 takes a free port and no value serves nothing; on
/// loopback, or at <c>Cluster:HttpAddress</c>.
/// </summary>
internal static class SiloHttp
{
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
        return HttpSocket.Take(address, port, $"{PortKey}=0");
    }
}
