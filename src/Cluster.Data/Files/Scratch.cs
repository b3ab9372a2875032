using System.Runtime.ExceptionServices;
using Cluster.Core.Errors;

namespace Cluster.Data.Files;

/// <summary>A folder of its own for files that outgrow memory; gone with everything in it when disposed.</summary>
internal sealed class Scratch : IDisposable
{
    /// <param name="parent">The folder in which it is made; null for the system's own.</param>
    /// <exception cref="UserErrorException">It can't be made.</exception>
    public Scratch(string? parent)
    {
        var folder = parent ?? System.IO.Path.GetTempPath();
        try
        {
            Path = System.IO.Path.Combine(folder, $"scratch-{System.IO.Path.GetRandomFileName()}");
            Directory.CreateDirectory(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{folder} takes no scratch files ({e.Message.TrimEnd('.')}).", "Give a writable folder.", e);
        }
    }

    public string Path { get; }

    /// <summary>Runs <paramref name="work"/>; a full or broken disk becomes the user's to mend.</summary>
    public static T Guard<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (AggregateException e) when (e.InnerExceptions.FirstOrDefault(inner => inner is UserErrorException or OperationCanceledException) is { } own)
        {
            // A complaint that rose on a worker is the user's to read all the same.
            ExceptionDispatchInfo.Throw(own);
            throw;
        }
        catch (Exception e) when (Disk(e) is { } cause)
        {
            throw new UserErrorException(
                $"Files that outgrow memory can't be written or read ({cause.Message.TrimEnd('.')}).", "Make room on the disk, or give another folder.", cause);
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static Exception? Disk(Exception e) => e switch
    {
        IOException or UnauthorizedAccessException => e,
        AggregateException many when many.InnerExceptions.All(inner => inner is IOException or UnauthorizedAccessException) => many.InnerExceptions[0],
        _ => null,
    };
}
