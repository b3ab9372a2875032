// One request between two steps of a model. Enters: the logits that follow its last token. Leaves: the next token, its text, and
// whether the reply is over. Does not know: backends, caches, batches — a scheduler of many requests keeps one of these for each.
using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using Cluster.Inference.Constraints;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Generation;

/// <summary>The tokens and text of one reply under way. What it holds is a function of prompt, options, request number and logits.</summary>
public sealed class GenerationState
{
    private readonly GenerationOptions _options;
    private readonly ITokenText _tokens;
    private readonly ReplyText _text;
    private readonly ITokenConstraint? _constraint;
    private readonly List<int> _ids;
    private readonly ulong _request;
    private readonly int _promptLength, _context;

    /// <param name="prompt">Ids, at least one, with a text.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="tokens">The bytes of ids.</param>
    /// <param name="context">Most tokens of prompt and reply together.</param>
    /// <param name="request">Which stream of random numbers the reply draws from.</param>
    /// <param name="emitted">
    /// The reply so far, if it was begun elsewhere; it goes on as if it had not been interrupted. The text of these ids is not given again.
    /// </param>
    /// <exception cref="UserErrorException">The prompt is empty, leaves no room for a reply or holds an unknown id; the reply is over
    /// already or has not the format; an option is out of range; or the vocabulary cannot write the format.</exception>
    public GenerationState(ReadOnlySpan<int> prompt, GenerationOptions options, ITokenText tokens, int context, ulong request = 0,
        ReadOnlySpan<int> emitted = default)
    {
        options.Validate(tokens.Count);
        if (prompt.IsEmpty)
            throw new UserErrorException("The prompt has no tokens.", "Give at least one.");
        if (prompt.Length >= context)
            throw new UserErrorException($"The prompt has {prompt.Length} tokens; the model's context holds {context}, reply included.",
                $"Shorten it to at most {context - 1} tokens.");
        CheckIds("prompt", prompt, tokens.Count);
        CheckIds("reply so far", emitted, tokens.Count);

        (_options, _tokens, _request, _context, _promptLength) = (options, tokens, request, context, prompt.Length);
        _text = new ReplyText(options.StopStrings);
        _constraint = options.Format is { } format ? new FormatConstraint(format, tokens, options.StopTokens) : null;
        _ids = [.. prompt];
        foreach (var id in emitted)
        {
            Take(id);
            if (Finish is not null)
            {
                throw new UserErrorException($"The reply so far of {emitted.Length} tokens is over with its token {Reply.Length} ({Finish}).",
                    "Continue a reply only before its end.");
            }
        }
    }

    /// <summary>Prompt and reply so far. Valid until the next step.</summary>
    public ReadOnlySpan<int> Ids => CollectionsMarshal.AsSpan(_ids);

    /// <summary>The reply so far. Valid until the next step.</summary>
    public ReadOnlySpan<int> Reply => Ids[_promptLength..];

    /// <summary>Why the reply ended; null while it goes on.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Draws the next token.</summary>
    /// <param name="logits">[vocabulary], those that follow the last of <see cref="Ids"/>.</param>
    /// <param name="sampler">Made for the number of ids that have a text.</param>
    public GeneratedToken Advance(ReadOnlySpan<float> logits, Sampler sampler)
    {
        if (Finish is { } finish)
            throw new InvalidOperationException($"the reply is over ({finish})");
        var (id, logProbability, top) = sampler.Choose(logits[.._tokens.Count], Ids, _options, _request, _ids.Count, _promptLength,
            _constraint is null ? default : _constraint.Allowed());
        var text = Take(id);
        return new GeneratedToken(id, logProbability, text, Finish, top);
    }

    /// <summary>Ends the reply now; text that is held back is dropped. Nothing if it is over already.</summary>
    public void Cancel() => Finish ??= FinishReason.Cancelled;

    /// <summary>Adds a token to the reply, perhaps its last; returns the text that it makes certain.</summary>
    private string Take(int id)
    {
        _ids.Add(id);
        string text;
        if (_options.StopTokens.Contains(id))
        {
            text = _text.End();
            Finish = FinishReason.Stop;
        }
        else
        {
            if (_constraint is not null && !_constraint.Take(id))
            {
                throw new UserErrorException($"The reply so far leaves response_format with its token {Reply.Length}, the id {id}.",
                    "Continue a reply with the format that it was begun with.");
            }

            text = _text.Append(_tokens.Bytes(id));
            if (_text.Stopped)
                Finish = FinishReason.Stop;
            else if (_ids.Count - _promptLength >= _options.MaxTokens)
                Finish = FinishReason.Length;
            else if (_ids.Count >= _context)
                Finish = FinishReason.Context;
            if (Finish is FinishReason.Length or FinishReason.Context)
                text += _text.End();
        }

        return text;
    }

    private static void CheckIds(string what, ReadOnlySpan<int> ids, int count)
    {
        foreach (var id in ids)
        {
            if (id < 0 || id >= count)
                throw new UserErrorException($"The {what} holds the token id {id}.", $"Give ids from 0 to {count - 1}; is this the model's own tokenizer?");
        }
    }
}
