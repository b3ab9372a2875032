namespace Cluster.Core.Randomness;

/// <summary>What a stream of random numbers is for; part of its key, so that no two uses ever share numbers. Never renumber.</summary>
public enum RandomPurpose
{
    /// <summary>Initial parameter values, keyed by the parameter's index.</summary>
    Initialisation = 1,

    /// <summary>The order of samples within a phase, keyed by phase and epoch.</summary>
    SampleOrder = 2,

    /// <summary>Choice of the next token, keyed by request and position.</summary>
    TokenSampling = 4,

    /// <summary>Which phrasing of a dialogue template a sample gets.</summary>
    Dialogue = 5,

    /// <summary>Synthetic inputs of fingerprints and benchmarks.</summary>
    Synthetic = 6,

    /// <summary>Seeds of the further replies to one prompt, keyed by request and number of the reply.</summary>
    Choice = 7,

    /// <summary>Hash functions and hyperplanes of near-duplicate search, keyed by their number.</summary>
    Deduplication = 40,

    /// <summary>How many copies of a document a mix takes, keyed by the document's id.</summary>
    Mixing = 41,
}
