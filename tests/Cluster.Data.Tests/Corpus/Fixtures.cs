using System.Text;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

/// <summary>Small documents and documentation files.</summary>
internal static class Fixtures
{
    public static Document Document(string id, string text, string? group = null, double quality = 0) => new(id, text, group ?? id, "test", quality);

    /// <summary>A documentation file with the given member elements.</summary>
    public static string Reference(params string[] members) =>
        $"<?xml version=\"1.0\"?><doc><assembly><name>A</name></assembly><members>{string.Concat(members)}</members></doc>";

    /// <summary>A documentation file of <paramref name="count"/> types of one method each, all different.</summary>
    public static string ManyTypes(int count, string prefix = "Widget")
    {
        var members = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            members.Append($"<member name=\"T:Shop.{prefix}{i}\"><summary>Represents the {prefix} number {i} of the shop, with its own price and stock of {i * 7} pieces.</summary></member>");
            members.Append($"<member name=\"M:Shop.{prefix}{i}.Sell(System.Int32)\"><summary>Sells pieces of the {prefix} {i} and takes them out of the stock.</summary>")
                .Append($"<param name=\"count\">The number of pieces of {prefix} {i} to sell at once.</param><returns>The price of the pieces of {prefix} {i} in cents.</returns>")
                .Append($"<exception cref=\"T:System.ArgumentOutOfRangeException\"><paramref name=\"count\"/> is above the stock of {prefix} {i}.</exception></member>");
        }

        return Reference(members.ToString());
    }
}
