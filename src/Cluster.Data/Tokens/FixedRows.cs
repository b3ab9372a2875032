// Enters: samples of any length. Leaves: rows of one length. Does not know: what the tokens mean.

namespace Cluster.Data.Tokens;

/// <summary>Pads and truncates samples to rows of <paramref name="length"/> tokens (1 or more), with <paramref name="padId"/> after a sample's end.</summary>
public sealed class FixedRows(int length, int padId)
{
    /// <summary>Tokens in a row.</summary>
    public int Length { get; } = length > 0 ? length : throw new ArgumentOutOfRangeException(nameof(length), length, "1 or more.");

    /// <summary>The row of one sample: its first <see cref="Length"/> tokens, then padding with mask 0.</summary>
    /// <param name="ids">The sample's tokens.</param>
    /// <param name="mask">As many zeros and ones: whether the token is learnt.</param>
    public RenderedChat Fit(ReadOnlySpan<int> ids, ReadOnlySpan<byte> mask)
    {
        if (ids.Length != mask.Length)
            throw new ArgumentException($"{ids.Length} ids and a mask of {mask.Length}.", nameof(mask));
        var row = new RenderedChat(new int[Length], new byte[Length]);
        var kept = Math.Min(Length, ids.Length);
        ids[..kept].CopyTo(row.Ids);
        mask[..kept].CopyTo(row.Mask);
        row.Ids.AsSpan(kept).Fill(padId);
        return row;
    }
}
