using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// Masks personal data, and drops documents with too much of it. Placeholders are fixed: [EMAIL], [PHONE], [IP], [CARD], [ID], [IBAN]. The
/// number of finds by kind is kept as the scores "personal-data.email" and so on. Masked text has nothing more to find, so that the stage
/// may run twice.
/// </summary>
/// <param name="options">What to look for.</param>
/// <exception cref="UserErrorException">An option is out of range.</exception>
public sealed class PersonalData(PersonalDataOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "personal-data";

    private static readonly (PersonalDataKinds Kind, string Placeholder, string Score)[] s_kinds =
    [
        (PersonalDataKinds.Email, "[EMAIL]", StageName + ".email"),
        (PersonalDataKinds.Phone, "[PHONE]", StageName + ".phone"),
        (PersonalDataKinds.IpAddress, "[IP]", StageName + ".ip_address"),
        (PersonalDataKinds.Card, "[CARD]", StageName + ".card"),
        (PersonalDataKinds.NationalId, "[ID]", StageName + ".national_id"),
        (PersonalDataKinds.Iban, "[IBAN]", StageName + ".iban"),
    ];

    private readonly PersonalDataOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var scanner = new PersonalDataScanner(document.Text);
        if (!scanner.Next(out var find))
            return StageOutcome.Keep(document);

        var text = document.Text.AsSpan();
        var masked = new StringBuilder(text.Length);
        Span<int> counts = stackalloc int[s_kinds.Length];
        var from = 0;
        do
        {
            var kind = System.Numerics.BitOperations.TrailingZeroCount((int)find.Kind);
            counts[kind]++;
            if ((_options.Mask & find.Kind) == 0)
                continue;
            masked.Append(text[from..find.Start]).Append(s_kinds[kind].Placeholder);
            from = find.Start + find.Length;
        }
        while (scanner.Next(out find));

        var total = 0;
        var scores = new List<DocumentScore>(document.Scores);
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0)
                continue;
            scores.Add(new DocumentScore(s_kinds[i].Score, counts[i]));
            total += (_options.Count & s_kinds[i].Kind) == 0 ? 0 : counts[i];
        }

        if (total > _options.MaximumPerDocument)
            return StageOutcome.Dropped(document, new DropReason("too_much", total, _options.MaximumPerDocument));
        return StageOutcome.Keep(document with
        {
            Scores = scores,
            Text = from == 0 ? document.Text : masked.Append(text[from..]).ToString(),
        });
    }
}
