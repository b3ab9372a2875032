using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Hosting;

/// <summary>Runs a recipe: a silo in this process, the page where it can be watched, the stages one after the other.</summary>
public interface IRunHost
{
    /// <summary>Runs to the end, or to where the request stops.</summary>
    /// <param name="request">What to run. Its silos are to be replaced by those that the host starts.</param>
    /// <param name="observer">Told what happens; if it is an <see cref="IPageObserver"/>, also where the page is.</param>
    /// <param name="webPort">A port that the page must have; null takes 8080 or another free one.</param>
    /// <param name="cancellation">Stops after the step at work, leaving a run that can be resumed.</param>
    /// <exception cref="Core.Errors.UserErrorException">Something the user can mend.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, int? webPort, CancellationToken cancellation);
}

/// <summary>Told where the run can be watched.</summary>
public interface IPageObserver
{
    /// <summary>The page is up.</summary>
    /// <param name="address">A loopback address.</param>
    void Serving(Uri address);
}
