using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Privacy;
using Cluster.Data.Tests.Corpus.Filters;
using CsCheck;

namespace Cluster.Data.Tests.Corpus.Privacy;

public class PersonalDataTests
{
    private static readonly PersonalData Stage = new();

    [Theory]
    [InlineData("Write to jane.doe+news@mail.contoso.co.uk, please.", "Write to [EMAIL], please.")]
    [InlineData("<jörg@müller.de>", "<[EMAIL]>")]
    [InlineData("mailto:a_b@c-d.org.", "mailto:[EMAIL].")]
    [InlineData("x@y.com;z@w.net", "[EMAIL];[EMAIL]")]
    [InlineData("Call +49 (0)30 1234-5678 today", "Call [PHONE] today")]
    [InlineData("+1 212 555 7890, +442071838750.", "[PHONE], [PHONE].")]
    [InlineData("(212) 555-7890 or 212-555-7890 or 212.555.7890 or 1-800-356-9377", "[PHONE] or [PHONE] or [PHONE] or [PHONE]")]
    [InlineData("from 81.2.69.142:443 and 8.34.208.5/24", "from [IP]:443 and [IP]/24")]
    [InlineData("host 2a00:1450:4001:81b::200e answered; 2606:4700:4700:0:0:0:0:1111.", "host [IP] answered; [IP].")]
    [InlineData("card 4111 1111 1111 1111 and 378282246310005, 3782-822463-10005", "card [CARD] and [CARD], [CARD]")]
    [InlineData("6011000990139424 5555-5555-5555-4444 30569309025904", "[CARD] [CARD] [CARD]")]
    [InlineData("SSN 536-22-1234.", "SSN [ID].")]
    [InlineData("NI AB 12 34 56 C or AB123456C", "NI [ID] or [ID]")]
    [InlineData("Steuer-ID 86 095 742 719 / 47036892816", "Steuer-ID [ID] / [ID]")]
    [InlineData("DNI 12345678Z, 12345678-Z", "DNI [ID], [ID]")]
    [InlineData("CPF 529.982.247-25", "CPF [ID]")]
    [InlineData("NIR 2 55 08 14 168 025 38 et 255081416802538", "NIR [ID] et [ID]")]
    [InlineData("PESEL 44051401359", "PESEL [ID]")]
    [InlineData("IBAN DE89 3704 0044 0532 0130 00, GB82WEST12345698765432.", "IBAN [IBAN], [IBAN].")]
    public void Apply_PersonalData_IsMasked(string text, string expected)
    {
        var masked = Stage.Apply(text).Document;

        Assert.Equal(expected, masked.Text);
        Assert.Equal(expected, Stage.Apply(masked).Document.Text);
    }

    [Theory]
    [InlineData("alice@example.com, bob@docs.example.org, c@test.example, root@localhost")]
    [InlineData("logo@2x.png [email protected] @decorator user@ @user package@1.2.3 a@b")]
    [InlineData("10.0.0.1 127.0.0.1 192.168.1.20 172.16.5.4 169.254.1.1 192.0.2.1 198.51.100.7 203.0.113.9 224.0.0.1 255.255.255.0 0.0.0.0 100.64.1.1")]
    [InlineData("Version=4.0.0.0, version 10.20.17.63, v21.3.44.5, build 17.8.34.2, 4.8.9.37, 10.0.17763.1, 1.2.3.4.5, 12.34.56.78-beta, 2.5.29.15, 1.3.6.1")]
    [InlineData("fe80::1 ::1 2001:db8::8a2e:370:7334 fd12:3456:789a::1 12:34:56 std::vector Foo::Bar::Baz dead::beef 00:1A:2B:3C:4D:5E a::b")]
    [InlineData("4111 1111 1111 1112, 4111111111111112, 9223372036854775807, 18446744073709551615, 0000000000000000, 1234567890123456")]
    [InlineData("4111111111111111a x4111111111111111 4111111111111111.5 id-4111111111111111")]
    [InlineData("6F9619FF-8B86-D011-B42D-00C04FC964FF 12345678-1234-1234-1234-123456789012 53622123-4555-4789-0212-555789012345")]
    [InlineData("000-12-3456 666-12-3456 912-12-3456 536-00-1234 536-22-0000 536-22-12345 1536-22-1234 2020-536-22-1234")]
    [InlineData("AB 12 34 56 E, DA123456C, GB123456A, XAB123456C, AB12345C, 0xAB123456C")]
    [InlineData("86095742718 12345678901 11111111111 00000000000 12345678A 529.982.247-26 255081416802539 44051401358")]
    [InlineData("DE89370400440532013001 XX89370400440532013000 DE8937040044 ISO8601 RFC2606 UTF8 CS8600 GB18030")]
    [InlineData("2008-06-15T21:15:07+05:30 +0000000 a+12345678 1+23456789 12 + 345678901 212-555-0199 112-555-7890 212-155-7890 2008-06-15 100 200 3000")]
    [InlineData("3.1415926535 1,234,567.89 0x7FFFFFFF 2147483647 4294967295 0123456789 ISBN 978-3-16-148410-0 1e10 $1234567890")]
    public void Apply_TextThatOnlyLooksLikeIt_IsLeftAlone(string text)
    {
        var document = Stage.Apply(text).Document;

        Assert.Equal(text, document.Text);
        Assert.Empty(document.Scores);
    }

    [Fact]
    public void Apply_Kinds_MasksOnlyThoseAskedFor()
    {
        var stage = new PersonalData(new PersonalDataOptions { Mask = PersonalDataKinds.Email });
        var document = stage.Apply("a@b.com 81.2.69.142").Document;

        Assert.Equal("[EMAIL] 81.2.69.142", document.Text);
        Assert.Equal([new DocumentScore("personal-data.email", 1), new DocumentScore("personal-data.ip_address", 1)], document.Scores);
    }

    [Theory]
    [InlineData(2, null)]
    [InlineData(3, null)]
    [InlineData(4, "too_much")]
    public void Apply_FindsAroundTheMaximum_DropsAboveIt(int count, string? rule)
    {
        var stage = new PersonalData(new PersonalDataOptions { MaximumPerDocument = 3, Count = PersonalDataKinds.Email });
        var outcome = stage.Apply("81.2.69.142 " + string.Join(' ', Enumerable.Range(0, count).Select(i => $"u{i}@mail.net")));

        Assert.Equal(rule, outcome.Drop?.Rule);
        if (rule is not null)
            Assert.Equal((4.0, 3.0), (outcome.Drop!.Value!.Value, outcome.Drop.Limit!.Value));
    }

    [Fact]
    public void Apply_RandomSigns_IsIdempotentAndStaysInBounds() =>
        Gen.OneOf(Gen.Char["0123456789"], Gen.Char["0123456789.-:@ +()/"], Gen.Char["abAB\u00A0ü\uD800"]).Array[0, 200].Select(c => new string(c)).Sample(text =>
        {
            var once = Stage.Apply(text).Document.Text;
            return Stage.Apply(once).Document.Text == Stage.Apply(Stage.Apply(once).Document.Text).Document.Text;
        }, iter: 5000);

    [Theory]
    [InlineData("1 ")]
    [InlineData("1.")]
    [InlineData("a")]
    [InlineData("a@")]
    [InlineData("@a.")]
    [InlineData("a:")]
    [InlineData("+1 ")]
    [InlineData("AB12 ")]
    [InlineData("(1")]
    [InlineData("::")]
    public void Apply_OfOneSignOverAndOver_LooksAtEachPlaceAFewTimes(string piece)
    {
        // Quadratic work over two million characters would take hours: that the test ends is what it shows.
        var text = string.Concat(Enumerable.Repeat(piece, 2_000_000 / piece.Length));

        Assert.NotNull(Stage.Apply(text).Document);
    }

    [Fact]
    public void Apply_RealReferenceDocumentation_KeepsVersionsAndGuids()
    {
        var source = new DotnetReferenceSource();
        var documents = source.Read(2).Documents;
        var found = documents.Select(document => (document, Stage.Apply(document).Document)).Where(pair => pair.Item2.Scores.Count > 0).ToList();

        Assert.True(documents.Count > 1000);
        // What is found in the class library's documentation are examples of addresses, a handful among thousands of texts.
        Assert.True(found.Count * 500 < documents.Count, string.Join('\n', found.Select(pair => $"{pair.document.Id}: {string.Join(',', pair.Item2.Scores)}").Take(40)));
        Assert.DoesNotContain(found, pair => pair.Item2.Scores.Any(score => score.Name is "personal-data.card" or "personal-data.national_id" or "personal-data.iban"));
    }

    [Fact]
    public void Validate_NegativeMaximum_NamesIt() =>
        Assert.Contains("maximum_per_document is -1", Assert.Throws<UserErrorException>(() => new PersonalData(new PersonalDataOptions { MaximumPerDocument = -1 })).What);
}
