// Enters: weights of domains, and what a small model lost on each. Leaves: better weights. Does not know: how the model was trained.

using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Mixing;

/// <summary>A small run's validation loss, domain by domain.</summary>
public interface IProxyRun
{
    /// <summary>Validation loss on a domain's held-out text in bits per byte; above 0 and finite.</summary>
    double BitsPerByte(string domain);
}

/// <summary>How far one proposal goes.</summary>
public sealed record ReweightingOptions
{
    /// <summary>The step size of the exponentiated update, above 0. DoReMi uses 1 on losses in nats per token.</summary>
    public double StepSize { get; init; } = 1;

    /// <summary>Share of every proposal that is spread evenly, in [0, 1], so that no domain is lost for good. DoReMi uses 0.001.</summary>
    public double Smoothing { get; init; } = 1e-3;
}

/// <summary>One domain of a proposal.</summary>
/// <param name="Domain">Its name.</param>
/// <param name="Weight">Share of the mix before, in [0, 1].</param>
/// <param name="Excess">Bits per byte that the proxy run lost more than the reference, 0 or more.</param>
/// <param name="Proposed">Share of the mix that is proposed, in [0, 1].</param>
public sealed record ProposedWeight(string Domain, double Weight, double Excess, double Proposed);

/// <summary>
/// Proposes a mix from a small run, after DoReMi (Xie et al., "Optimizing data mixtures speeds up language model pretraining", 2023): a
/// domain on which the proxy model, trained on the mix at hand, is worse than a reference model has something left to learn, and its
/// weight is multiplied by e^(step size × excess loss), excess below 0 counting as 0. Instead of inside one run's steps the update is
/// made between runs; repeat it with the proposal, and average the proposals as DoReMi does, if there is time for more than one.
/// Losses are in bits per byte, so that tokenizers and domains compare. A reference is a model of the same size trained on the domains'
/// natural proportions, or the proxy model trained for longer.
/// </summary>
public static class DomainReweighting
{
    /// <summary>Proposes weights.</summary>
    /// <param name="weights">The mix that the proxy run was trained on: positive, brought to a sum of 1.</param>
    /// <param name="proxy">The proxy run.</param>
    /// <param name="reference">The reference.</param>
    /// <param name="options">Step size and smoothing.</param>
    /// <returns>Domains in ordinal order; proposals sum to 1.</returns>
    /// <exception cref="UserErrorException">A weight, loss or option is out of range.</exception>
    public static IReadOnlyList<ProposedWeight> Propose(
        IReadOnlyDictionary<string, double> weights, IProxyRun proxy, IProxyRun reference, ReweightingOptions? options = null)
    {
        options ??= new ReweightingOptions();
        if (!(options.StepSize > 0 && double.IsFinite(options.StepSize)))
            throw new UserErrorException(FormattableString.Invariant($"step_size is {options.StepSize}."), "Give a number above 0.");
        if (options.Smoothing is not (>= 0 and <= 1))
            throw new UserErrorException(FormattableString.Invariant($"smoothing is {options.Smoothing}."), "Give 0 to 1.");
        if (weights.Count == 0)
            throw new UserErrorException("There are no domains to weigh.", "Give the mix of the proxy run.");
        var names = weights.Keys.Order(StringComparer.Ordinal).ToArray();
        foreach (var name in names)
            if (!(weights[name] > 0 && double.IsFinite(weights[name])))
                throw new UserErrorException(FormattableString.Invariant($"The weight of {name} is {weights[name]}."), "Give a number above 0.");

        var total = names.Sum(name => weights[name]);
        var excess = names.Select(name => Math.Max(0, Loss(proxy, name, "proxy") - Loss(reference, name, "reference"))).ToArray();
        // The largest exponent is taken off first: ratios stay and nothing overflows.
        var most = excess.Max();
        var raised = names.Select((name, i) => weights[name] / total * Math.Exp(options.StepSize * (excess[i] - most))).ToArray();
        var sum = raised.Sum();
        return
        [
            .. names.Select((name, i) => new ProposedWeight(
                name, weights[name] / total, excess[i], (1 - options.Smoothing) * raised[i] / sum + options.Smoothing / names.Length)),
        ];
    }

    private static double Loss(IProxyRun run, string domain, string what) => run.BitsPerByte(domain) is > 0 and < double.PositiveInfinity and var loss
        ? loss
        : throw new UserErrorException(
            FormattableString.Invariant($"The {what} run's bits per byte on {domain} are {run.BitsPerByte(domain)}."),
            "Measure it on held-out text of that domain.");
}
