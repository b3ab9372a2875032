using Cluster.Core.Errors;

namespace Cluster.Inference.Scheduling;

/// <summary>Limits of a scheduler. None of them changes a reply, only when it comes.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Most requests that wait, preempted ones included; further ones are refused. At least 1.</summary>
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>Most requests that are computed at the same time, at least 1.</summary>
    public int MaxRunning { get; init; } = 64;

    /// <summary>
    /// Most tokens of one step: each running request's next token, and what is left goes to prompts. At least
    /// <see cref="MaxRunning"/> and a chunk of the backend, so that prompts always advance. More makes prompts come sooner and the
    /// others' tokens wait longer.
    /// </summary>
    public int TokenBudget { get; init; } = 256;

    /// <summary>Most tokens of a prompt; 0 for what the context leaves.</summary>
    public int MaxPromptTokens { get; init; }

    /// <summary>Most tokens of prompt and reply together; 0 for the model's context. The cache must have room for one such sequence.</summary>
    public int MaxContext { get; init; }

    /// <summary>How long a request may take from its arrival to its last token, if it names no time itself; null for ever.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Whether sequences that begin with the same tokens share blocks.</summary>
    public bool PrefixSharing { get; init; } = true;

    /// <summary>Checks every field.</summary>
    /// <param name="prefillChunk">The backend's.</param>
    /// <exception cref="UserErrorException">A field is out of its range; the message names field, value and range.</exception>
    public void Validate(int prefillChunk)
    {
        Check("max_waiting", MaxWaiting, MaxWaiting >= 1, "Give at least 1.");
        Check("max_running", MaxRunning, MaxRunning >= 1, "Give at least 1.");
        var least = (long)MaxRunning + prefillChunk;
        Check("token_budget", TokenBudget, TokenBudget >= least, $"Give at least {least}: max_running and a chunk of {prefillChunk}.");
        Check("max_prompt_tokens", MaxPromptTokens, MaxPromptTokens >= 0, "Give 0 (as many as fit) or a number of tokens.");
        Check("max_context", MaxContext, MaxContext is 0 or >= 2, "Give 0 (the model's) or at least 2.");
        Check("timeout", Timeout?.TotalSeconds ?? 1, Timeout is null || Timeout > TimeSpan.Zero, "Give a time above 0.");

        static void Check(string field, double value, bool holds, string remedy)
        {
            if (!holds)
                throw new UserErrorException(FormattableString.Invariant($"{field} is {value}."), remedy);
        }
    }
}
