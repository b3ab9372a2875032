namespace Cluster.Evaluation.Scores;

/// <summary>Loss that can be compared between tokenizers: bits that the model needs for a byte of text.</summary>
public static class BitsPerByte
{
    /// <param name="natsPerToken">Mean loss.</param>
    /// <param name="tokens">Tokens it is the mean of.</param>
    /// <param name="bytes">UTF-8 bytes that these tokens stand for; special tokens stand for none.</param>
    public static double From(double natsPerToken, long tokens, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        return natsPerToken * tokens / bytes / Math.Log(2);
    }
}
