namespace Cluster.Cli.Hosting;

/// <summary>Arguments as a POSIX shell reads them.</summary>
public static class Quoting
{
    /// <summary>One argument; in single quotes where it has a character that a shell would act upon.</summary>
    public static string Argument(string text) =>
        text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "-_./=:,+@%".Contains(c, StringComparison.Ordinal))
            ? text
            : $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>A command line.</summary>
    public static string Line(IEnumerable<string> arguments) => string.Join(' ', arguments.Select(Argument));
}
