using System.Text;
using Cluster.Inference.Constraints;

namespace Cluster.Inference.Tests.Constraints;

public class TokenTrieTests
{
    public static TheoryData<string> Names() => Schemas.Names();

    /// <summary>Random walks over all schemas: in each state, every token's bytes are tried one token at a time.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Allowed_RandomStates_EqualsEveryTokenTried(string name)
    {
        var trie = new TokenTrie(Pieces.All);
        var grammar = ResponseFormat.JsonSchema(Schemas.Text(name)).Grammar;
        var draws = new Draws(3);
        var states = 0;
        for (var walk = 0; walk < 12; walk++)
        {
            var state = JsonState.Start(grammar);
            for (var step = 0; step < 60; step++, states++)
            {
                var mask = trie.Allowed(state);
                List<int> allowed = [];
                for (var id = 0; id < Pieces.All.Count; id++)
                {
                    var expected = !Pieces.All.Bytes(id).IsEmpty && state.Take(Pieces.All.Bytes(id)) is not null;
                    Assert.Equal(expected, (mask[id >> 6] >> id & 1) == 1);
                    if (expected)
                        allowed.Add(id);
                }

                // Some byte can always follow, or the document is complete.
                Assert.True(allowed.Exists(id => id < 256) || state.IsComplete);
                if (allowed.Count == 0)
                    break;
                // Half of the time a longer token, of which there are few.
                var longer = allowed.Where(id => id > 257).ToList();
                var from = draws.Below(2) == 0 && longer.Count > 0 ? longer : allowed;
                state = state.Take(Pieces.All.Bytes(from[draws.Below(from.Count)]))!;
            }
        }

        Assert.True(states >= 12, $"{states} states");
    }

    [Fact]
    public void Allowed_TokensAcrossBorders_IfAllOfThemFits()
    {
        var trie = new TokenTrie(Pieces.All);
        var person = JsonState.Start(ResponseFormat.JsonSchema("""
            {"type":"object","properties":{"name":{"type":"string"},"b":{"type":"string"}},"required":["name"],"additionalProperties":false}
            """).Grammar);
        bool Allows(string before, string token) => trie.Allowed(person.Take(Encoding.UTF8.GetBytes(before))!) is var mask &&
            Pieces.IdOf(token) is var id && (mask[id >> 6] >> id & 1) == 1;

        Assert.True(Allows("", "{\""));
        Assert.True(Allows("{", "\"name\""));
        Assert.True(Allows("{\"", "name\":"));
        Assert.False(Allows("{", "\"\""));
        Assert.False(Allows("", "[{\""));
        Assert.True(Allows("{\"name", "\": \""));
        Assert.True(Allows("{\"name\": \"x", "\"}"));
        Assert.True(Allows("{\"name\": \"x", "\",\""));
        Assert.True(Allows("{\"name\": \"x", "\","));
        Assert.False(Allows("{\"name\": \"x", "\":"));
        Assert.False(Allows("{\"name\": \"x\",\"b\":\"y", "\",\""));
        Assert.True(Allows("{\"name\": \"x\",\"b\":\"y", "\"}"));
        Assert.False(Allows("{\"name\": \"x\",\"b\":\"y\"}", "}"));
        Assert.True(Allows("{\"name\": \"x", "🙂\""));
        Assert.False(Allows("{\"name\": \"\\ud83d", "🙂\""));
        Assert.True(Allows("{\"name\": \"\\ud83d", "\\ude00"));
        Assert.False(Allows("{\"name\": \"\\ud83d", "\\u00"));
    }

    [Fact]
    public void Allowed_InsideACharacter_TokensThatEndIt()
    {
        var trie = new TokenTrie(Pieces.All);
        var state = JsonState.Start(ResponseFormat.JsonSchema("""{"const":"日本"}""").Grammar).Take([(byte)'"', 0xE6])!;
        var mask = trie.Allowed(state);
        Assert.Equal([0x97], Enumerable.Range(0, Pieces.All.Count).Where(id => (mask[id >> 6] >> id & 1) == 1));
    }
}
