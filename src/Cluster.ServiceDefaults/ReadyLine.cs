using System.Net;

namespace Cluster.ServiceDefaults;

/// <summary>The line by which a process says that it can be used: whoever started it waits for that line on its standard output.</summary>
public static class ReadyLine
{
    private const string Mark = " is up at ";

    /// <summary>The line of a process.</summary>
    /// <param name="name">One word, such as the silo's name.</param>
    /// <param name="address">Where it listens.</param>
    public static string Of(string name, string address) => $"{name}{Mark}{address}";

    /// <inheritdoc cref="Of(string, string)"/>
    public static string Of(string name, EndPoint address) => Of(name, address.ToString()!);

    /// <summary>The address in the line of a process, or null if it is another line.</summary>
    public static string? Address(string line, string name) =>
        line.StartsWith(name + Mark, StringComparison.Ordinal) ? line[(name.Length + Mark.Length)..] : null;
}
