using System.Text;
using Cluster.Core.Errors;
using Cluster.Inference.Constraints;

namespace Cluster.Inference.Tests.Constraints;

public class JsonSchemaCompilerTests
{
    public static TheoryData<string> Names() => Schemas.Names();

    public static TheoryData<string, string> Bad() => new()
    {
        { """{"type":"string","pattern":"a+"}""", "response_format has the keyword pattern at #, which is not supported." },
        { """{"properties":{"a/b":{"items":{"format":"date"}}}}""", "response_format has the keyword format at #/properties/a~1b/items, which is not supported." },
        { """{"$defs":{"x":{"minimum":1}}}""", "response_format has the keyword minimum at #/$defs/x, which is not supported." },
        { """{"anyOf":[true,{"oneOf":[]}]}""", "response_format has the keyword oneOf at #/anyOf/1, which is not supported." },
        { """{"allOf":[]}""", "response_format has the keyword allOf at #, which is not supported." },
        { """{"not":{}}""", "response_format has the keyword not at #, which is not supported." },
        { """{"additionalProperties":{"uniqueItems":true}}""", "response_format has the keyword uniqueItems at #/additionalProperties, which is not supported." },
        { """{"items":{"$defs":{}}}""", "response_format has the keyword $defs at #/items." },
        { """{"$defs":3}""", "response_format has $defs 3 at #." },
        { """{"type":"strin"}""", "response_format has type \"strin\" at #." },
        { """{"type":[]}""", "response_format has type [] at #." },
        { """{"type":"string","minLength":-1}""", "response_format has minLength -1 at #." },
        { """{"type":"string","maxLength":1.5}""", "response_format has maxLength 1.5 at #." },
        { """{"type":"string","minLength":3,"maxLength":2}""", "response_format has minLength 3 above maxLength 2 at #." },
        { """{"minItems":3,"maxItems":2}""", "response_format has minItems 3 above maxItems 2 at #." },
        { """{"maxItems":1048577}""", "response_format has maxItems 1048577 at #." },
        { """{"enum":[]}""", "response_format has enum [] at #." },
        { """{"type":"string","enum":[1,null]}""", "response_format has enum at # with no value of the type string." },
        { """{"type":"integer","const":1.5}""", "response_format has const at # with no value of the type integer." },
        { """{"enum":["a"],"maxLength":3}""", "response_format has the keyword maxLength beside enum at #, which is not supported." },
        { """{"anyOf":[true],"type":"string"}""", "response_format has the keyword type beside anyOf at #, which is not supported." },
        { """{"$ref":"#","items":true}""", "response_format has the keyword items beside $ref at #, which is not supported." },
        { """{"anyOf":{}}""", "response_format has anyOf {} at #." },
        { """{"$ref":"#/$defs/x"}""", "response_format has $ref \"#/$defs/x\" at #." },
        { """{"$ref":"https://example.com/x"}""", "response_format has $ref \"https://example.com/x\" at #." },
        { """{"required":["x"]}""", "response_format requires the property \"x\" at #, which properties does not declare." },
        { """{"required":"x"}""", "response_format has required \"x\" at #." },
        { """{"properties":[]}""", "response_format has properties [] at #." },
        { """{"properties":{"a":false}}""", "response_format has false at #/properties/a where a schema belongs." },
        { """{"items":[true]}""", "response_format has [true] at #/items where a schema belongs." },
        { "3", "response_format has 3 at # where a schema belongs." },
        { """{"$ref":"#"}""", "response_format has a schema at # that only endless documents fit." },
        { """{"properties":{"a":{"$ref":"#"}},"required":["a"]}""", "response_format has a schema at # that only endless documents fit." },
        { """{"$defs":{"x":{"type":"array","items":{"$ref":"#/$defs/x"},"minItems":1}}}""", "response_format has a schema at #/$defs/x that only endless documents fit." },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void Compile_BadSchema_NamesKeywordAndPlace(string schema, string what) =>
        Assert.Equal(what, Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema(schema)).What);

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("{\"type\":\"null\",\"type\":\"string\"}")]
    [InlineData("{\"const\":\"\\ud800\"}")]
    public void Compile_NotJson_SaysSo(string schema) =>
        Assert.StartsWith("response_format is a schema that is not JSON", Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema(schema)).What, StringComparison.Ordinal);

    [Fact]
    public void Compile_TooLarge_SaysHowMuch()
    {
        Assert.Equal("response_format is a schema with half a surrogate pair.", Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema("{\"const\":\"\ud800\"}")).What);
        var error = Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema($"{{\"const\":\"{new string('a', 65_536)}\"}}"));
        Assert.Equal("response_format is a schema of 65548 bytes.", error.What);
        var many = string.Join(',', Enumerable.Range(0, 65).Select(i => $"{{\"const\":{i}}}"));
        Assert.Equal("response_format has a schema at # with more than 64 alternatives.",
            Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema($"{{\"anyOf\":[{many}]}}")).What);
        // 65 levels of arrays that must not be empty.
        var defs = string.Join(',', Enumerable.Range(0, 65).Select(i =>
            $"\"d{i}\":{{\"type\":\"array\",\"minItems\":1,\"items\":{(i == 64 ? "true" : $"{{\"$ref\":\"#/$defs/d{i + 1}\"}}")}}}"));
        Assert.Equal("response_format has a schema whose documents nest 65 levels deep.",
            Assert.Throws<UserErrorException>(() => ResponseFormat.JsonSchema($"{{\"$defs\":{{{defs}}},\"$ref\":\"#/$defs/d0\"}}")).What);
    }

    [Fact]
    public void Compile_Annotations_SayNothing() =>
        Assert.True(Fits("""{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"x","$comment":"c","title":"t","description":"d","default":1,"examples":[],"type":"null"}""", "null"));

    [Theory]
    [InlineData("person", """{"name":"a","ok":null}""", true)]
    [InlineData("person", """{"name":"a","age":3,"tags":["x"],"ok":true}""", true)]
    [InlineData("person", """{"ok":true,"name":"a"}""", false)] // the schema's order
    [InlineData("person", """{"name":"a","age":3}""", false)] // ok is required
    [InlineData("person", """{"name":"a","ok":true,"more":1}""", false)]
    [InlineData("person", """{"name":"a","name":"a","ok":true}""", false)]
    [InlineData("person", """{"name":"123456789012","ok":true}""", true)]
    [InlineData("person", """{"name":"1234567890123","ok":true}""", false)]
    [InlineData("person", """{"name":"🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂\ud83d\ude42\n","ok":true}""", true)] // 12 characters
    [InlineData("person", """{"name":"a","tags":[""],"ok":true}""", false)]
    [InlineData("person", """{"name":"a","tags":["a","b","c","d"],"ok":true}""", false)]
    [InlineData("person", """{"name":"a","age":1.0,"ok":true}""", false)] // narrower than the schema
    [InlineData("all optional", "{}", true)]
    [InlineData("all optional", """{"abc":null}""", true)]
    [InlineData("all optional", """{"a":1,"abc":null}""", true)]
    [InlineData("all optional", """{"abcd":1}""", false)]
    [InlineData("all optional", """{"a":1,}""", false)]
    [InlineData("additional", """{"name":1,"nam":[],"names":{},"":0}""", true)]
    [InlineData("additional", """{"name":1,"next":1,"x":2}""", true)]
    [InlineData("additional", """{"name":1,"x":2,"next":1}""", false)] // declared ones first
    [InlineData("additional", """{"name":1,"x":2,"next":3}""", false)]
    [InlineData("additional", """{"name":1,"n\u0061me":"a"}""", false)] // a declared one in disguise
    [InlineData("additional", """{"x":2,"name":1}""", false)]
    [InlineData("map", """{"a\n":1,"b":-2}""", true)]
    [InlineData("map", """{"a":"1"}""", false)]
    [InlineData("list", """{"value":1,"next":{"value":2,"next":null}}""", true)]
    [InlineData("list", """{"value":1,"next":{}}""", false)]
    [InlineData("tree", """{"kind":"lea","children":[{"kind":"leaf"},{"kind":"branch","children":[]}]}""", true)]
    [InlineData("tree", """{"kind":"le"}""", false)]
    [InlineData("prefixes", "\"red\"", true)]
    [InlineData("prefixes", "\"redd\"", false)]
    [InlineData("prefixes", "12", true)]
    [InlineData("prefixes", "1.5", true)]
    [InlineData("prefixes", "1.", false)]
    [InlineData("prefixes", "[1,2]", true)]
    [InlineData("prefixes", "[1, 2]", false)] // one spelling
    [InlineData("prefixes", """{"a":[]}""", true)]
    [InlineData("prefixes", "\"r\\\"e\\\\d\\n\"", true)]
    [InlineData("unicode", """["日","日本","é","\u0001"]""", true)]
    [InlineData("unicode", "[]", false)]
    [InlineData("unicode names", """{"é":"日本","日":null}""", true)]
    [InlineData("choices", """{"kind":"a","value":1}""", true)]
    [InlineData("choices", """{"kind":"ab","value":"1"}""", true)]
    [InlineData("choices", """{"kind":"a","value":"1"}""", false)]
    [InlineData("choices", "[1,2]", true)]
    [InlineData("choices", "[1]", false)]
    [InlineData("choices", "[1,2,3]", false)]
    [InlineData("choices", "\"é🙂\"", true)]
    [InlineData("choices", "\"é\"", false)]
    [InlineData("object", "[]", false)]
    public void Compile_Schema_AcceptsItsDocuments(string name, string document, bool accepted) =>
        Assert.Equal(accepted, Fits(Schemas.Text(name), document));

    [Theory]
    [InlineData("""{"type":"boolean"}""", "true false", "null 1")]
    [InlineData("""{"type":["integer","null"]}""", "-12 null", "1.5 true")]
    [InlineData("""{"type":"array","maxItems":0}""", "[]", "[1]")]
    [InlineData("""{"maxLength":1}""", "\"a\" \"\"", "\"ab\" 1")]
    [InlineData("""{"type":"integer","enum":[1.0,"a",2]}""", "1.0 2", "1 \"a\"")]
    [InlineData("""{"const":null}""", "null", "1")]
    [InlineData("""{"type":["number","integer"]}""", "1.5 1", "\"a\"")]
    [InlineData("""{"properties":{"a\"b":{"const":1}},"additionalProperties":true}""", """{"a\"b":1} {"ab":2} {"a\"b":1,"a":2}""", """{"a\"b":2} {"a\u0022b":2} {"a\n":2}""")]
    [InlineData("""{"properties":{}}""", "{}", "{\"a\":1} 1")]
    [InlineData("""{"$defs":{"a b/c":{"type":"null"}},"$ref":"#/$defs/a%20b~1c"}""", "null", "1")]
    public void Compile_SmallSchema_AcceptsAndRefuses(string schema, string accepted, string refused)
    {
        Assert.All(accepted.Split(' '), document => Assert.True(Fits(schema, document), document));
        Assert.All(refused.Split(' '), document => Assert.False(Fits(schema, document), document));
    }

    [Fact]
    public void Compile_DeepestLevels_OnlyWhatCanBeEnded()
    {
        // On the last level an object cannot come: it would have to hold an array.
        var schema = Schemas.Text("deep");
        Assert.True(Fits(schema, new string('[', 64) + new string(']', 64)));
        Assert.Null(State(schema, new string('[', 62) + "[{"));
        Assert.NotNull(State(schema, new string('[', 61) + "[{\"a\":[]"));
        Assert.Null(State(schema, new string('[', 64) + "["));
    }

    /// <summary>Nests as deep as it can, in every schema, and then ends what is open: nothing that was begun is without an end.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Take_NestedAsDeepAsCanBe_CanBeEnded(string name)
    {
        static JsonState Go(JsonState state, string wished)
        {
            foreach (var b in Encoding.UTF8.GetBytes(wished).Concat(Enumerable.Range(0x21, 0xD0).Select(b => (byte)b)))
            {
                if (state.Take([b]) is { } next)
                    return next;
            }

            throw new InvalidOperationException("nothing can follow");
        }

        var state = JsonState.Start(ResponseFormat.JsonSchema(Schemas.Text(name)).Grammar);
        for (var i = 0; i < 400 && !state.IsComplete; i++)
            state = Go(state, "[{,:\"acn");
        for (var i = 0; i < 5_000 && !state.IsComplete; i++)
            state = Go(state, "\"]}:0");
        Assert.True(state.IsComplete);
    }

    [Fact]
    public void Compile_MoreReadingsThanAreKept_StillGoesOn()
    {
        var state = State(Schemas.Text("ambiguous"), new string('[', 20))!;
        Assert.Equal(JsonGrammar.MaxReadings, state.Readings.Length);
        Assert.True(state.Take(Encoding.UTF8.GetBytes("null" + new string(']', 20)))!.IsComplete);
    }

    private static JsonState? State(string schema, string document) =>
        JsonState.Start(ResponseFormat.JsonSchema(schema).Grammar).Take(Encoding.UTF8.GetBytes(document));

    private static bool Fits(string schema, string document) => State(schema, document) is { IsComplete: true };
}
