using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Tests.Corpus.Reference;

public class ReferenceXmlTests
{
    [Theory]
    [InlineData("Uses <see cref=\"T:System.Int32\" /> here.", "Uses Int32 here.")]
    [InlineData("Uses <see cref=\"T:System.Int32\">a number</see> here.", "Uses a number here.")]
    [InlineData("<see langword=\"true\" /> if <paramref name=\"x\"/> or <typeparamref name=\"T\"/>.", "true if x or T.")]
    [InlineData("Call <c>Do()</c> &amp; <code>Be</code> &lt;now&gt;", "Call Do() & Be <now>.")]
    [InlineData("  One\n      line.  ", "One line.")]
    [InlineData("One.\n\n Two.", "One.\n\nTwo.")]
    [InlineData("One.<para>Two.</para>Three.", "One.\n\nTwo.\n\nThree.")]
    [InlineData("One.<br/>Two.", "One.\nTwo.")]
    [InlineData("Is an <see cref=\"T:System.Int32\"/> .", "Is an Int32.")]
    [InlineData("10<sup>3</sup> and x<sub>0</sub>", "10^3 and x_0.")]
    [InlineData("See <xref uid=\"System.Text.Encoding\"></xref>.", "See Encoding.")]
    [InlineData("See <see href=\"https://example.org\">the page</see>.", "See the page.")]
    [InlineData("Before <code data-dev-comment-type=\"paramref\">buffer</code> after.", "Before buffer after.")]
    [InlineData("A set.<para>NuGet package: A.B (how to install)</para>", "A set.")]
    [InlineData("Same (twice.)", "Same (twice.)")]
    [InlineData("A:<list type=\"bullet\"><item><description>one</description></item><item><description>two</description></item></list>", "A:\n- one\n- two")]
    [InlineData("A:<list type=\"number\"><item><description>one</description></item><item><description>two</description></item></list>", "A:\n1. one\n2. two.")]
    [InlineData("A:<list type=\"table\"><listheader><term>Value</term><description>Meaning</description></listheader><item><term>-1</term><description>less</description></item></list>", "A:\n- -1: less")]
    [InlineData("Code:<code>\n    if (a)\n        b();\n</code>", "Code:\n\n```\nif (a)\n    b();\n```")]
    public void Summary_WithMarkup_BecomesPlainText(string markup, string expected) => Assert.Equal(expected, Summary(markup));

    [Theory]
    [InlineData("<paramref name=\"x\"/> is null.\n\n-or-\n\nThe list is empty.", "x is null, or the list is empty.")]
    [InlineData("x is null. -or- x is empty.", "x is null, or x is empty.")]
    [InlineData("x is null.<para>-or-</para>y is null.", "x is null, or y is null.")]
    [InlineData("x is null.\n\nand\n\ny is null.", "x is null, and y is null.")]
    [InlineData("either-or-both", "either-or-both.")]
    public void Exception_WithAlternatives_IsOneSentence(string markup, string expected)
    {
        var member = Read($"<member name=\"M:A.B.C\"><summary>Does a thing.</summary><exception cref=\"T:System.ArgumentException\">{markup}</exception></member>").Members[0];

        Assert.Equal(new ReferenceException("ArgumentException", expected), Assert.Single(member.Exceptions));
    }

    [Fact]
    public void Members_OfMethod_KeepsAllFields()
    {
        var member = Assert.Single(Read("""
            <member name="M:A.B.Find``1(System.Int32)">
              <summary>Finds it.</summary>
              <typeparam name="TItem">The kind of thing.</typeparam>
              <param name="index">Where to look.</param>
              <returns>The thing</returns>
              <exception cref="T:System.ArgumentNullException">It is null.</exception>
              <remarks>Slow.</remarks>
              <example>Like this.</example>
            </member>
            """).Members);

        Assert.Equal("B.Find<TItem>(int)", member.Name);
        Assert.Equal(MemberKind.Method, member.Kind);
        Assert.Equal("Finds it.", member.Summary);
        Assert.Equal(new ReferenceParameter("TItem", "The kind of thing."), Assert.Single(member.TypeParameters));
        Assert.Equal(new ReferenceParameter("index", "Where to look."), Assert.Single(member.Parameters));
        Assert.Equal("The thing.", member.Returns);
        Assert.Equal("Slow.\n\nLike this.", member.Remarks);
    }

    [Theory]
    [InlineData("<member name=\"M:A.B.C\"/>", Boilerplate.Empty)]
    [InlineData("<member name=\"M:A.B.C\"><summary>  </summary></member>", Boilerplate.Empty)]
    [InlineData("<member name=\"oddity\"><summary>Some words are here.</summary></member>", Boilerplate.Empty)]
    [InlineData("<member name=\"M:A.B.C\"><inheritdoc/></member>", Boilerplate.InheritDoc)]
    [InlineData("<member name=\"M:A.B.C\"><summary>To be added.</summary></member>", Boilerplate.Placeholder)]
    [InlineData("<member name=\"M:A.B.C\"><summary>This API supports the .NET infrastructure and is not intended to be used directly from your code.</summary></member>", Boilerplate.Infrastructure)]
    [InlineData("<member name=\"M:System.Runtime.Intrinsics.X86.Sse2.Add\"><summary><para>__m128i _mm_add_epi8 (__m128i a, __m128i b)</para></summary></member>", Boilerplate.Intrinsic)]
    [InlineData("<member name=\"P:System.SR.Bad\"><summary>The thing {0} is very bad.</summary></member>", Boilerplate.ResourceString)]
    [InlineData("<member name=\"P:A.My.Resources.Bad\"><summary>The thing {0} is very bad.</summary></member>", Boilerplate.ResourceString)]
    [InlineData("<member name=\"M:A.B.System#IDisposable#Dispose\"><summary>Frees all of it.</summary></member>", Boilerplate.ExplicitInterface)]
    [InlineData("<member name=\"T:A.Internal.B\"><summary>Represents a hidden thing.</summary></member>", Boilerplate.NotPublic)]
    [InlineData("<member name=\"F:Windows.Win32.Foo.bar\"><summary>Represents a native thing.</summary></member>", Boilerplate.NotPublic)]
    [InlineData("<member name=\"M:A.B.#ctor\"><summary>Initializes a new instance of the <see cref=\"T:A.B\"/> class.</summary></member>", Boilerplate.DefaultConstructor)]
    [InlineData("<member name=\"P:A.B.C\"><summary>The context.</summary></member>", Boilerplate.Trivial)]
    public void Members_ThatTeachNothing_AreDroppedWithTheirReason(string member, string reason)
    {
        var file = Read(member);

        Assert.Empty(file.Members);
        Assert.Equal([new KeyValuePair<string, long>(reason, 1)], file.Dropped.ToDictionary());
    }

    [Theory]
    [InlineData("<member name=\"M:System.Runtime.Intrinsics.Vector128.Add\"><summary>Adds two vectors to compute their sum.</summary></member>")]
    [InlineData("<member name=\"M:A.Strings.Join\"><summary>Joins all of the strings.</summary></member>")]
    [InlineData("<member name=\"M:A.B.#ctor(System.Int32)\"><summary>Initializes a new instance of the B class.</summary><param name=\"x\">Its size in bytes.</param></member>")]
    public void Members_ThatResembleBoilerplate_AreKept(string member) => Assert.Single(Read(member).Members);

    [Fact]
    public void Members_OfMalformedFile_KeepsWhatCameBefore()
    {
        var file = ReferenceXml.Members("<doc><members><member name=\"T:A.B\"><summary>A good thing indeed.</summary></member><member", new TypeNames(), default);

        Assert.Single(file.Members);
        Assert.NotNull(file.Malformed);
    }

    [Theory]
    [InlineData("<doc><assembly/><members/></doc>", true)]
    [InlineData("<doc><text>words</text></doc>", false)]
    [InlineData("<book><members/></book>", false)]
    [InlineData("not xml", false)]
    public void IsReference_OfRoot_TellsDocumentationFromText(string xml, bool expected) => Assert.Equal(expected, ReferenceXml.IsReference(xml));

    private static string Summary(string markup) =>
        Read($"<member name=\"M:A.B.C\"><summary>{markup}</summary><remarks>So that it is long enough.</remarks></member>").Members[0].Summary;

    private static ReferenceXml.FileMembers Read(string members) =>
        ReferenceXml.Members(Fixtures.Reference(members), new TypeNames(), CancellationToken.None);
}
