using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Web.Api.OpenAi;

/// <summary>Who may use the API, and how much: <c>Cluster:ApiKeys</c>, and limits under <c>Cluster:Api</c>.</summary>
public sealed record ApiOptions
{
    private byte[][] _keys = [];

    /// <summary><c>Cluster:Api:MaxBodyBytes</c>: longest body of a request, 1,024–1,073,741,824 bytes.</summary>
    public int MaxBodyBytes { get; init; } = 1 << 20;

    /// <summary><c>Cluster:Api:RequestsPerMinute</c>: most requests of each key (without keys: of each address) in a minute, 0–1,000,000; 0 for no limit.</summary>
    public int RequestsPerMinute { get; init; }

    /// <summary><c>Cluster:Inference:VllmMetricNames</c>: whether the page of metrics shows serving under vLLM's names too, true or false.</summary>
    public bool VllmMetricNames { get; init; }

    /// <summary>Whether a key is asked for.</summary>
    public bool HasKeys => _keys.Length > 0;

    /// <summary>Reads them. Keys are a list, or one text with commas.</summary>
    /// <exception cref="UserErrorException">A value is out of its range.</exception>
    public static ApiOptions Of(IConfiguration configuration)
    {
        var section = configuration.GetSection("Cluster:ApiKeys");
        var keys = section.GetChildren().Select(child => child.Value).Append(section.Value).OfType<string>()
            .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).ToArray();
        return new ApiOptions
        {
            _keys = [.. keys.Select(Hash)],
            MaxBodyBytes = Number(nameof(MaxBodyBytes), 1 << 20, 1_024, 1 << 30),
            RequestsPerMinute = Number(nameof(RequestsPerMinute), 0, 0, 1_000_000),
            VllmMetricNames = configuration["Cluster:Inference:VllmMetricNames"] switch
            {
                null => false,
                var text when bool.TryParse(text, out var value) => value,
                var text => throw new UserErrorException($"Cluster:Inference:VllmMetricNames is \"{text}\".", "Give true or false."),
            },
        };

        int Number(string name, int otherwise, int least, int most)
        {
            var key = $"Cluster:Api:{name}";
            if (configuration[key] is not { } text)
                return otherwise;
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
                ? value
                : throw new UserErrorException($"{key} is \"{text}\".", FormattableString.Invariant($"Give a whole number from {least} to {most}."));
        }
    }

    /// <summary>Which key an Authorization header holds, from 0; −1 if none of them. Takes as long whichever it is.</summary>
    public int KeyOf(string? authorization)
    {
        const string scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            return -1;
        var given = Hash(authorization[scheme.Length..].Trim());
        var found = -1;
        for (var i = 0; i < _keys.Length; i++)
        {
            if (CryptographicOperations.FixedTimeEquals(given, _keys[i]))
                found = i;
        }

        return found;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
