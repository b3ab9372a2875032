namespace Cluster.Cli.Hosting;

/// <summary>How the user calls this program, for commands to copy.</summary>
public static class CommandName
{
    /// <param name="programFolder">Where the program's files are.</param>
    /// <param name="workingFolder">Where the user is.</param>
    /// <returns>"cluster" for an installed tool; inside a checkout the README's "dotnet run" with the project's path.</returns>
    public static string Of(string programFolder, string workingFolder)
    {
        for (var folder = Path.TrimEndingDirectorySeparator(programFolder); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Cluster.Cli.csproj")))
                return $"dotnet run -c Release --project {Quoting.Argument(Path.GetRelativePath(workingFolder, folder))} --";
        }

        return "cluster";
    }
}
