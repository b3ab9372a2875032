namespace Cluster.Collectives.Protocol;

/// <summary>A replica as the others know it.</summary>
/// <param name="Id">Its name, unique for the life of the run; a process that comes back takes a new one.</param>
/// <param name="Address">Where its exchange is served.</param>
public sealed record Member(string Id, string Address);

/// <summary>
/// What must be equal for two replicas to train the same bits. Compared as text, in this order; the first difference is named with
/// both values.
/// </summary>
/// <param name="Run">Identity of the run's job: a store or a port shared by mistake must not mix two of them.</param>
/// <param name="Version">Of the program.</param>
/// <param name="Recipe">Hash of the resolved recipe.</param>
/// <param name="Model">The model's shape.</param>
/// <param name="Fingerprint">Hash of a step on synthetic input at the run's own shapes, precision and threads [9]; "" in a job that
/// no replica has joined yet: the first one's counts.</param>
public sealed record RunIdentity(string Run, string Version = "", string Recipe = "", string Model = "", string Fingerprint = "")
{
    /// <summary>A sentence that names what the offered identity has and this one has instead, or null where they are equal.</summary>
    public string? Difference(RunIdentity offered)
    {
        if (offered.Run != Run)
            return $"The replica belongs to run {offered.Run}; this is run {Run}.";
        if (offered.Version != Version)
            return $"The replica's version is {offered.Version}, the run's is {Version}.";
        if (offered.Recipe != Recipe)
            return $"The replica's recipe has hash {offered.Recipe}, the run's has {Recipe}.";
        if (offered.Model != Model)
            return $"The replica's model shape is {offered.Model}, the run's is {Model}.";
        if (Fingerprint.Length > 0 && offered.Fingerprint != Fingerprint)
        {
            return $"The replica's arithmetic differs: its fingerprint is {offered.Fingerprint}, the run's is {Fingerprint}. "
                + "Use equal processors and library builds.";
        }

        return null;
    }
}
