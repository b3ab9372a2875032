using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Training;

/// <summary>
/// The way of a silo's replicas to their coordinator: while one batch is on its way the next collects, so that a replica that is alone
/// waits for nobody, and a thousand that are ready at once are a few calls. It may be called from any thread, and waits for nothing.
/// </summary>
/// <param name="coordinator">Whom to tell.</param>
/// <param name="time">How long a batch has been on its way is read from it.</param>
/// <param name="logger">Told where the coordinator does not answer.</param>
internal sealed partial class CoordinatorLine(IAllReduceGrain coordinator, TimeProvider time, ILogger logger) : ICoordinatorPort
{
    // Replicas that hear nothing say again what they said, once a second: a batch that is lost with its coordinator holds nobody up for longer.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Outbox _outbox = new();
    private int _onTheWay;
    private long _sentAt;

    /// <summary>Passes one of the Send actions on. It may be said twice: the protocol takes no harm.</summary>
    public void Send(ReplicaAction message) => Add(outbox => outbox.Add(message));

    /// <inheritdoc/>
    public void Failed(string member, Exception error) => Add(outbox => outbox.Add(new FailedMessage(member, error.Message)));

    private void Add(Action<Outbox> add)
    {
        lock (_gate)
        {
            add(_outbox);
            if (_onTheWay > 0 && time.GetElapsedTime(_sentAt) < s_patience)
                return;
            _onTheWay++;
            _sentAt = time.GetTimestamp();
        }

        _ = Task.Run(SendAsync);
    }

    private async Task SendAsync()
    {
        while (true)
        {
            HeardMessage batch;
            lock (_gate)
            {
                if (_outbox.IsEmpty)
                {
                    _onTheWay--;
                    return;
                }

                batch = _outbox.Take();
                _sentAt = time.GetTimestamp();
            }

            try
            {
                await GrainCalls.RetryAsync(() => coordinator.HearAsync(batch), CancellationToken.None, LogRetry);
            }
            catch (Exception error)
            {
                LogUnheard(error.Message);
            }
        }
    }

    private void LogRetry(int attempt, Exception error) => LogRetry(attempt, error.Message);

    [LoggerMessage(LogLevel.Warning, "The coordinator did not answer (attempt {Attempt}): {Reason}")]
    private partial void LogRetry(int attempt, string reason);

    [LoggerMessage(LogLevel.Warning, "The coordinator could not be told: {Reason}")]
    private partial void LogUnheard(string reason);
}
