using Cluster.Data.Dialogues;

namespace Cluster.Data.Tests.Dialogues;

public class AnswerGrammarTests
{
    [Theory]
    [InlineData("Retrieves a substring.", "It retrieves a substring.")]
    [InlineData("Asynchronously writes the text.", "It asynchronously writes the text.")]
    [InlineData("The number of items.", "It is the number of items.")]
    [InlineData("An object whose name is sent.", "It is an object whose name is sent.")]
    [InlineData("A value that is negative.", "It is a value that is negative.")]
    [InlineData("The index is zero-based.", "The index is zero-based.")]
    [InlineData("The file must exist.", "The file must exist.")]
    [InlineData("Used to find items.", "It is used to find items.")]
    [InlineData("Options for the parser.", "Options for the parser.")]
    [InlineData("This class is old.", "This class is old.")]
    [InlineData("Remove the key.", "Remove the key.")]
    public void Statement_OfDocumentation_IsASentence(string text, string expected) => Assert.Equal(expected, AnswerGrammar.Statement("It", text));

    [Theory]
    [InlineData("true if it exists; otherwise, false.", "It returns true if it exists; otherwise, false.")]
    [InlineData("The position of the item.", "It returns the position of the item.")]
    [InlineData("Returns the item.", "It returns the item.")]
    [InlineData("This method does not return.", "This method does not return.")]
    public void Returned_OfDocumentation_IsASentence(string text, string expected) => Assert.Equal(expected, AnswerGrammar.Returned(text));

    [Theory]
    [InlineData("true to append; false to overwrite.", "Pass true to append; false to overwrite.")]
    [InlineData("true if it is open.", "It is true if it is open.")]
    [InlineData("When this method returns, contains the value.", "When the method returns, it contains the value.")]
    [InlineData("The value to add.", "It is the value to add.")]
    public void Passed_OfDocumentation_IsASentence(string text, string expected) => Assert.Equal(expected, AnswerGrammar.Passed(text));

    [Theory]
    [InlineData("index is negative.", "It throws E when index is negative.")]
    [InlineData("The stream is closed.", "It throws E when the stream is closed.")]
    [InlineData("Thrown if the key is missing.", "It throws E if the key is missing.")]
    [InlineData("When x is null.", "It throws E when x is null.")]
    [InlineData("TypeName is unknown.", "It throws E when TypeName is unknown.")]
    public void Thrown_OfDocumentation_IsASentence(string text, string expected) => Assert.Equal(expected, AnswerGrammar.Thrown("E", text));

    [Fact]
    public void Sentences_OfProse_EndWhereAReaderStops()
    {
        Assert.Equal(["One, e.g. two.", "Is it 3.5?", "\"Yes.\"", "(It is.)", "Good"], Sentences.Of("One, e.g. two. Is it 3.5? \"Yes.\" (It is.) Good"));
        Assert.Equal(["これは文です。", "次の文です。"], Sentences.Of("これは文です。次の文です。"));
        Assert.Empty(Sentences.Of("  "));
    }

    [Theory]
    [InlineData("One two. Three four.", 100, "One two. Three four.")]
    [InlineData("One two. Three four.", 12, "One two.")]
    [InlineData("One two. Three four.", 5, null)]
    public void First_OfLongText_KeepsWholeSentences(string text, int maximum, string? expected) => Assert.Equal(expected, Sentences.First(text, maximum));
}
