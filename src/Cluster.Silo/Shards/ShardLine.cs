using Cluster.Contracts.Shards;
using Cluster.Silo.Training;

namespace Cluster.Silo.Shards;

/// <summary>
/// A silo's way to the stage's shards: while one request is on its way the lanes that are asked for next collect, and are one request
/// together. From any thread.
/// </summary>
/// <param name="shards">The stage's grain.</param>
internal sealed class ShardLine(IShardGrain shards)
{
    private readonly Lock _gate = new();
    private Dictionary<(long Step, int Lane), TaskCompletionSource<LaneTokens>> _asked = [];
    private (long Step, Task<long> Tokens) _counted = (-1, Task.FromResult(0L));
    private bool _isOnTheWay;

    /// <summary>Unmasked tokens of all lanes of a step together; asked for once for all replicas.</summary>
    public Task<long> GetTokensAsync(long step)
    {
        lock (_gate)
        {
            if (_counted.Step != step || _counted.Tokens.IsFaulted)
                _counted = (step, Task.Run(() => GrainCalls.RetryAsync(() => shards.GetTokensAsync(step), CancellationToken.None)));
            return _counted.Tokens;
        }
    }

    /// <summary>A lane's micro-batches.</summary>
    public Task<LaneTokens> GetAsync(long step, int lane)
    {
        TaskCompletionSource<LaneTokens>? answer;
        lock (_gate)
        {
            if (!_asked.TryGetValue((step, lane), out answer))
                _asked[(step, lane)] = answer = new TaskCompletionSource<LaneTokens>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_isOnTheWay)
                return answer.Task;
            _isOnTheWay = true;
        }

        _ = Task.Run(SendAsync);
        return answer.Task;
    }

    private async Task SendAsync()
    {
        while (true)
        {
            Dictionary<(long Step, int Lane), TaskCompletionSource<LaneTokens>> batch;
            lock (_gate)
            {
                if (_asked.Count == 0)
                {
                    _isOnTheWay = false;
                    return;
                }

                (batch, _asked) = (_asked, []);
            }

            try
            {
                var keys = batch.Keys.ToArray();
                var tokens = await GrainCalls.RetryAsync(
                    () => shards.GetLanesAsync([.. keys.Select(key => key.Step)], [.. keys.Select(key => key.Lane)]), CancellationToken.None);
                for (var i = 0; i < keys.Length; i++)
                    batch[keys[i]].SetResult(tokens[i]);
            }
            catch (Exception error)
            {
                foreach (var answer in batch.Values)
                    answer.TrySetException(error);
            }
        }
    }
}
