namespace Cluster.Data.Tokens;

/// <summary>How a piece of text is cut into tokens of the vocabulary.</summary>
public enum Segmentation
{
    /// <summary>The merges in the order in which they were learnt, as byte-pair encoding is trained. The default.</summary>
    MergeOrder,

    /// <summary>At each position the longest token that fits, from left to right. For comparison.</summary>
    LongestMatch,
}
