namespace Cluster.Core.Errors;

/// <summary>
/// A mistake in what the user gave, or a condition of the machine that the user can mend. The command line prints it as one
/// paragraph without a stack trace and exits with a code other than 0.
/// </summary>
public sealed class UserErrorException : Exception
{
    /// <param name="what">The thing that is wrong and its value, as one sentence: "learning_rate is -1".</param>
    /// <param name="remedy">What to do about it, as one sentence: "Give a value above 0 and at most 1."</param>
    public UserErrorException(string what, string remedy, Exception? inner = null)
        : base($"{what} {remedy}", inner)
    {
        What = what;
        Remedy = remedy;
    }

    /// <summary>The thing that is wrong and its value.</summary>
    public string What { get; }

    /// <summary>What to do about it.</summary>
    public string Remedy { get; }
}
