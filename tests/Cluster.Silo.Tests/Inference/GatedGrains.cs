using System.Reflection;
using Cluster.Contracts.Inference;

namespace Cluster.Silo.Tests.Inference;

/// <summary>Grains whose replies stop after a few tokens until a test lets them go on, so that it decides what happens in between.</summary>
public class GatedGrains : DispatchProxy
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously), _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IGrainFactory? _grains;
    private int _tokens;

    /// <summary>Done when a reader has so many tokens.</summary>
    public Task Reached => _reached.Task;

    /// <param name="grains">The real ones.</param>
    /// <param name="tokens">Tokens of each reply that a worker hands out until <see cref="Open"/>.</param>
    public static (IGrainFactory Grains, GatedGrains Gate) Create(IGrainFactory grains, int tokens)
    {
        var proxy = Create<IGrainFactory, GatedGrains>();
        var gate = (GatedGrains)(object)proxy;
        (gate._grains, gate._tokens) = (grains, tokens);
        return (proxy, gate);
    }

    /// <summary>Lets all replies go on.</summary>
    public void Open() => _open.TrySetResult();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        var grain = targetMethod!.Invoke(_grains, args);
        return grain is IInferenceWorkerGrain worker ? GatedWorker.Create(worker, this) : grain;
    }

    private async Task<ReplyStretch> ReadAsync(IInferenceWorkerGrain worker, string reply, int from)
    {
        if (_open.Task.IsCompleted)
            return await worker.ReadAsync(reply, from);
        if (from >= _tokens)
        {
            _reached.TrySetResult();
            await _open.Task;
            return await worker.ReadAsync(reply, from);
        }

        var stretch = await worker.ReadAsync(reply, from);
        return from + stretch.Pieces.Count < _tokens ? stretch : new ReplyStretch(ReplyState.Running, stretch.Pieces.Take(_tokens - from).ToArray(), null);
    }

    /// <summary>A worker behind the gate.</summary>
    public class GatedWorker : DispatchProxy
    {
        private IInferenceWorkerGrain? _worker;
        private GatedGrains? _gate;

        public static IInferenceWorkerGrain Create(IInferenceWorkerGrain worker, GatedGrains gate)
        {
            var proxy = Create<IInferenceWorkerGrain, GatedWorker>();
            var gated = (GatedWorker)(object)proxy;
            (gated._worker, gated._gate) = (worker, gate);
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(IInferenceWorkerGrain.ReadAsync)
                ? _gate!.ReadAsync(_worker!, (string)args![0]!, (int)args[1]!)
                : targetMethod.Invoke(_worker, args);
    }
}
