using System.Net;

namespace Cluster.ServiceDefaults;

/// <summary>The line by which a process says that it can be used: whoever started it waits for that line on its standard output.</summary>
public static class ReadyLine
{
    private const string Mark = " is up at ", HttpMark = ", HTTP at ";

    /// <summary>The line of a process.</summary>
    /// <param name="name">One word, such as the silo's name.</param>
    /// <param name="address">Where it listens.</param>
    public static string Of(string name, string address) => $"{name}{Mark}{address}";

    /// <summary>The line of a process that listens for others and may serve HTTP besides.</summary>
    public static string Of(string name, EndPoint address, Uri? http = null) =>
        Of(name, http is null ? $"{address}" : $"{address}{HttpMark}{http.AbsoluteUri}");

    /// <summary>The addresses in the line of a process, the second null if it serves no HTTP besides; null if it is another line.</summary>
    public static (string Address, string? Http)? Addresses(string line, string name)
    {
        if (!line.StartsWith(name + Mark, StringComparison.Ordinal))
            return null;
        var parts = line[(name.Length + Mark.Length)..].Split(HttpMark, 2);
        return (parts[0], parts.ElementAtOrDefault(1));
    }
}
