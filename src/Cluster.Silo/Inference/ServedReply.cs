using System.Runtime.InteropServices;
using Cluster.Contracts.Inference;
using Cluster.Data.Tokens;
using Cluster.Inference.Generation;
using Cluster.Inference.Serving;
using Cluster.Silo.Hosting;

namespace Cluster.Silo.Inference;

/// <summary>A reply's tokens, kept from its first to whoever reads, who may read any of them again.</summary>
internal sealed class ServedReply
{
    private readonly EngineReply _reply;
    private readonly ITokenizer _tokenizer;
    private readonly bool _bytes;
    private readonly TimeProvider _time;
    private readonly InferenceInstruments _instruments;
    private readonly string _model;
    private readonly long _begun;
    private readonly LongPoll _changed = new();
    private readonly Lock _gate = new();
    private readonly List<ReplyPiece> _pieces = [];
    private ReplyState _state = ReplyState.Running;
    private ReplyFinish? _finish;
    private long _read;

    /// <param name="name">What readers call it.</param>
    /// <param name="reply">The engine's.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="tokenizer">For the bytes of tokens.</param>
    /// <param name="bytes">Whether they are wanted.</param>
    /// <param name="time">Clock of <see cref="Unread"/>.</param>
    /// <param name="instruments">Told of times.</param>
    public ServedReply(string name, EngineReply reply, string model, ITokenizer tokenizer, bool bytes, TimeProvider time, InferenceInstruments instruments)
    {
        (Name, _reply, _model, _tokenizer, _bytes, _time, _instruments) = (name, reply, model, tokenizer, bytes, time, instruments);
        _begun = _read = time.GetTimestamp();
        Ended = CollectAsync();
    }

    /// <summary>What readers call it.</summary>
    public string Name { get; }

    /// <summary>Done when the engine is done with it.</summary>
    public Task Ended { get; }

    /// <summary>Its tokens so far.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _pieces.Count;
        }
    }

    /// <summary>Why it ended; null while it goes on, and where another worker is to go on with it.</summary>
    public ReplyFinish? Finish
    {
        get
        {
            lock (_gate)
                return _finish;
        }
    }

    /// <summary>How long ago somebody last read.</summary>
    public TimeSpan Unread => _time.GetElapsedTime(Volatile.Read(ref _read));

    /// <summary>As <see cref="IInferenceWorkerGrain.ReadAsync"/>.</summary>
    public async Task<ReplyStretch> ReadAsync(int from)
    {
        Volatile.Write(ref _read, _time.GetTimestamp());
        await _changed.UntilAsync(() =>
        {
            lock (_gate)
                return _pieces.Count > from || _state != ReplyState.Running;
        });
        Volatile.Write(ref _read, _time.GetTimestamp());
        lock (_gate)
            return new ReplyStretch(_state, from < _pieces.Count ? CollectionsMarshal.AsSpan(_pieces)[Math.Max(0, from)..].ToArray() : [], _finish);
    }

    /// <summary>Ends it; whoever reads learns that it goes on nowhere but elsewhere.</summary>
    public void Cancel() => _reply.Cancel();

    /// <summary>Gives it up at once: another worker is to go on with it.</summary>
    public void Lose()
    {
        End(ReplyState.Lost, null);
        _reply.Cancel();
    }

    private async Task CollectAsync()
    {
        long? last = null;
        try
        {
            await foreach (var token in _reply.Tokens.ReadAllAsync().ConfigureAwait(false))
            {
                lock (_gate)
                    _pieces.Add(Piece(token));
                _changed.Changed();
                var now = _time.GetTimestamp();
                if (last is { } before)
                    _instruments.NextToken(_model, _time.GetElapsedTime(before, now));
                else
                    _instruments.FirstToken(_model, _time.GetElapsedTime(_begun, now));
                last = now;
            }
        }
        catch (Exception)
        {
            // The engine's own record says why; another one may do better.
        }

        ReplyFinish? finish = _reply.Finish switch
        {
            FinishReason.Stop => ReplyFinish.Stop,
            FinishReason.Length or FinishReason.Context => ReplyFinish.Length,
            FinishReason.Deadline => ReplyFinish.Deadline,
            _ => null,
        };
        if (finish is ReplyFinish.Stop or ReplyFinish.Length)
            _instruments.End(_model, _time.GetElapsedTime(_begun));
        End(finish is null ? ReplyState.Lost : ReplyState.Ended, finish);
    }

    private void End(ReplyState state, ReplyFinish? finish)
    {
        lock (_gate)
        {
            if (_state == ReplyState.Running)
                (_state, _finish) = (state, finish);
        }

        _changed.Changed();
    }

    private ReplyPiece Piece(GeneratedToken token) => new(
        token.Id, token.Text, token.LogProbability, _bytes ? Bytes(token.Id) : null,
        token.Top?.Select(other => new TokenAlternative(other.Id, Bytes(other.Id), other.LogProbability)).ToArray());

    private byte[] Bytes(int id) => _tokenizer.TokenBytes(id).ToArray();
}
