namespace Cluster.Inference.Constraints;

/// <summary>What a reply's tokens may be. What it allows is a function of the tokens taken so far, wherever and whenever they were drawn.</summary>
public interface ITokenConstraint
{
    /// <summary>One bit for each id, the lowest of the first word for id 0: those that may come next, never none. Valid until the next token.</summary>
    ReadOnlySpan<ulong> Allowed();

    /// <summary>Adds a token, not a stop token; false, and nothing changes, if it is not allowed.</summary>
    bool Take(int id);
}
