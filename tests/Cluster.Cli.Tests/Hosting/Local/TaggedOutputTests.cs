using Cluster.Cli.Hosting.Local;

namespace Cluster.Cli.Tests.Hosting.Local;

public class TaggedOutputTests
{
    [Fact]
    public void Write_NoTerminal_NameAndLine()
    {
        var writer = new StringWriter { NewLine = "\n" };
        var output = new TaggedOutput(writer, isTerminal: false);

        output.Write("cluster", "a");
        output.Write("silo-1", "b \e[2J\r\nc");

        Assert.Equal("cluster | a\nsilo-1  | b \uFFFD[2J c\n", writer.ToString());
    }

    [Fact]
    public void Write_Terminal_AColourForEachName()
    {
        var writer = new StringWriter { NewLine = "\n" };
        var output = new TaggedOutput(writer, isTerminal: true);

        output.Write("cluster", "a");
        output.Write("silo-1", "b");
        output.Write("cluster", "c");

        Assert.Equal("\e[36mcluster |\e[0m a\n\e[33msilo-1  |\e[0m b\n\e[36mcluster |\e[0m c\n", writer.ToString());
    }
}
