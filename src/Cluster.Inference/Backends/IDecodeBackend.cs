// The seam between generation and the arithmetic of a model. Enters: token ids. Leaves: logits. A backend knows weights and the
// storage of keys and values; it does not know tokenization, sampling, requests or scheduling.
using Cluster.Core.Models;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Backends;

/// <summary>
/// A model that extends sequences token by token. The promise of every implementation: the logits after a token depend on the tokens
/// of its own sequence and the length of its prompt only, to the last bit — not on what else is in the batch, nor on how a prompt was cut
/// into calls, which is done at multiples of <see cref="PrefillChunk"/>. Where an implementation's products round differently for
/// different numbers of rows, it computes prompts in chunks of exactly so many rows, the token at position p in row
/// p mod <see cref="PrefillChunk"/>; what is left at a prompt's end it pads, or computes as decode would.
/// One thread at a time; a returned span is valid until the next call.
/// </summary>
public interface IDecodeBackend : IDisposable
{
    /// <summary>The model's resolved shape.</summary>
    ModelShape Shape { get; }

    /// <summary>Rows computed together in prefill; chunks start at multiples of it, counted from a sequence's first token.</summary>
    int PrefillChunk { get; }

    /// <summary>
    /// Whether a token's keys, values and logits are the same bits computed by prefill or by decode. Where they are not, the tokens of
    /// a reply keep the keys and values that decode gave them: they come back from saved blocks or are replayed through decode, and
    /// their blocks never serve as the prefix of a later prompt.
    /// </summary>
    bool PrefillEqualsDecode => false;

    /// <summary>
    /// How many tokens of a prompt, from the first on, prefill computes otherwise than decode would. Those that follow are of one kind with
    /// the tokens of replies. A function of the prompt's length.
    /// </summary>
    int PrefilledTokens(int prompt) => PrefillEqualsDecode ? 0 : prompt;

    /// <summary>The blocks that keys and values lie in, shared by all sequences of this backend.</summary>
    KvBlockPool Cache { get; }

    /// <summary>An empty sequence, to be disposed of before the backend; it holds no block yet.</summary>
    DecodeSequence CreateSequence();

    /// <summary>Appends several tokens to one sequence.</summary>
    /// <param name="sequence">A sequence of this backend.</param>
    /// <param name="ids">At least one id in [0, vocabulary).</param>
    /// <param name="logits">Which of the tokens' logits are wanted; <see cref="LogitRows.All"/> takes at most <see cref="PrefillChunk"/> ids.</param>
    /// <returns>[0, 1 or ids, vocabulary]: for each wanted token the logits of the token that follows it.</returns>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or the sequence would outgrow the model's context.</exception>
    /// <exception cref="KvCacheFullException">Too few blocks are free; nothing was changed.</exception>
    ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last);

    /// <summary>Appends several tokens to one sequence, as <see cref="Prefill"/> does, and shows what the model makes of them.</summary>
    /// <param name="sequence">A sequence of this backend.</param>
    /// <param name="ids">1 to <see cref="PrefillChunk"/> ids in [0, vocabulary).</param>
    /// <returns>[ids, width]: for each token the output of the final norm, which the head would turn into logits.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Prefill"/>.</exception>
    /// <exception cref="KvCacheFullException">Too few blocks are free; nothing was changed.</exception>
    ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids);

    /// <summary>Appends one token to each of several sequences.</summary>
    /// <param name="sequences">Different sequences of this backend, any number.</param>
    /// <param name="ids">One id for each.</param>
    /// <returns>[sequences, vocabulary]: for each the logits of the token that follows.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Prefill"/>, or one sequence is named twice.</exception>
    /// <exception cref="KvCacheFullException">Too few blocks are free; no sequence has grown.</exception>
    ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids);
}

/// <summary>Shorthands.</summary>
public static class DecodeBackendExtensions
{
    extension(IDecodeBackend backend)
    {
        /// <summary>Appends one token to one sequence; [vocabulary], the same bits as in any batch.</summary>
        public ReadOnlySpan<float> Decode(DecodeSequence sequence, int id) => backend.Decode([sequence], [id]);
    }
}

/// <summary>Which logits a prefill returns.</summary>
public enum LogitRows
{
    /// <summary>None: more of the prompt follows.</summary>
    None,

    /// <summary>Those after the last token: what sampling needs.</summary>
    Last,

    /// <summary>Those after every token: what scoring a text needs.</summary>
    All,
}
