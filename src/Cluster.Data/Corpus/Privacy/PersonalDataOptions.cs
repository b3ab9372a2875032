using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>Kinds of personal data.</summary>
[Flags]
public enum PersonalDataKinds
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>E-mail addresses outside the domains kept for documentation (RFC 2606).</summary>
    Email = 1,

    /// <summary>Telephone numbers: international ones with their plus sign (E.164), and North American ones.</summary>
    Phone = 2,

    /// <summary>IPv4 and IPv6 addresses that are reachable from anywhere: not private, local, multicast or kept for
    /// documentation.</summary>
    IpAddress = 4,

    /// <summary>Payment card numbers: 13 to 19 digits of a known issuer with Luhn's check digit.</summary>
    Card = 8,

    /// <summary>National identifiers: see <see cref="NationalId"/>.</summary>
    NationalId = 16,

    /// <summary>International bank account numbers (ISO 13616) of a known country and length with their check digits.</summary>
    Iban = 32,

    /// <summary>All of these.</summary>
    All = 63,
}

/// <summary>What <see cref="PersonalData"/> looks for and does.</summary>
public sealed record PersonalDataOptions
{
    /// <summary>Kinds that are replaced by their placeholders.</summary>
    public PersonalDataKinds Mask { get; init; } = PersonalDataKinds.All;

    /// <summary>Kinds that count towards <see cref="MaximumPerDocument"/>, whether they are masked or not.</summary>
    public PersonalDataKinds Count { get; init; } = PersonalDataKinds.All;

    /// <summary>A document with more finds than this is dropped: a directory of people is no text to learn from. Null drops none.</summary>
    public int? MaximumPerDocument { get; init; }

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public PersonalDataOptions Validate()
    {
        if (MaximumPerDocument < 0)
            throw new UserErrorException(FormattableString.Invariant($"{PersonalData.StageName}.maximum_per_document is {MaximumPerDocument}."), "Give 0 or more, or null to drop none.");
        if (((Mask | Count) & ~PersonalDataKinds.All) != 0)
            throw new UserErrorException($"{PersonalData.StageName} names kinds of personal data that do not exist.",
                "Give some of email, phone, ip_address, card, national_id, iban.");
        return this;
    }
}
