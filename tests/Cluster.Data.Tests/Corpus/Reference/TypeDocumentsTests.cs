using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Tests.Corpus.Reference;

public class TypeDocumentsTests
{
    [Fact]
    public void Assemble_TypeWithMembers_IsOneReadableDocument()
    {
        var (documents, stage) = Assemble(
            """<member name="T:A.Queue`1"><summary>Represents a line of things.</summary><typeparam name="T">The type of thing in the line.</typeparam></member>""",
            """<member name="M:A.Queue`1.Take(System.Int32)"><summary>Takes things off the line.</summary><param name="count">How many things to take.</param><returns>The things that were taken.</returns><exception cref="T:System.ArgumentException">The line is too short.</exception><remarks>The order is kept.</remarks></member>""",
            """<member name="P:A.Queue`1.Count"><summary>Gets the length of the line.</summary><value>The length of the line.</value></member>""",
            """<member name="F:A.Queue`1.Longest"><summary>The longest line there is.</summary></member>""",
            """<member name="T:A.Queue`1.Walker"><summary>Walks along the line.</summary></member>""");

        Assert.Equal("""
            # Queue<T>

            Namespace: A

            Represents a line of things.

            Parameters:
            - T: The type of thing in the line.

            ## Queue<T>.Take(int)

            Takes things off the line.

            Parameters:
            - count: How many things to take.

            Returns: The things that were taken.

            Exceptions:
            - ArgumentException: The line is too short.

            The order is kept.

            ## Queue<T>.Count

            Gets the length of the line.

            - Queue<T>.Longest: The longest line there is.

            # Queue<T>.Walker

            Namespace: A

            Walks along the line.
            """, Assert.Single(documents).Text);
        Assert.Equal("t:A.Queue`1", documents[0].Id);
        Assert.Equal("A.Queue", documents[0].Group);
        Assert.Equal("Queue<T>", documents[0].Title);
        Assert.Equal((5, 5), (stage.In, stage.Out));
    }

    [Fact]
    public void Assemble_RepeatedProse_KeepsTheFirstMemberAndLine()
    {
        var (documents, stage) = Assemble(
            """<member name="M:A.B.Go(System.Int32)"><summary>Goes on its way.</summary><param name="far">How far it has to go.</param></member>""",
            """<member name="M:A.B.Go(System.Int64)"><summary>Goes on its way.</summary><param name="far">A longer way to go.</param></member>""",
            """<member name="M:A.B.Run(System.Int32)"><summary>Runs on its way.</summary><param name="far">How far it has to go.</param></member>""",
            """<member name="M:A.C.Go(System.Int32)"><summary>Goes on its way.</summary></member>""",
            """<member name="M:A.B.Odd"><summary></summary><param name="x">Nothing but a parameter.</param></member>""");

        Assert.Equal("# B\n\nNamespace: A\n\n## B.Go(int)\n\nGoes on its way.\n\nParameters:\n- far: How far it has to go.\n\n## B.Run(int)\n\nRuns on its way.", Assert.Single(documents).Text);
        Assert.Equal(2, stage.Dropped[TypeDocuments.DuplicateProse]);
        Assert.Equal(1, stage.Dropped[TypeDocuments.NoProse]);
        Assert.Equal(stage.In - stage.Out, stage.Dropped.Values.Sum());
    }

    private static (List<Cluster.Data.Corpus.Document> Documents, Cluster.Data.Corpus.CorpusStage Stage) Assemble(params string[] members)
    {
        var library = ReferenceLibrary.Read([new ReferenceLibrary.Input("f.xml", Fixtures.Reference(members), 1)], 0, 1, CancellationToken.None);
        return TypeDocuments.Assemble(library.Types, "t:", 0);
    }
}
