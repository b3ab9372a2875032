using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Tests.Corpus.Reference;

public class MemberIdsTests
{
    private static readonly TypeNames Names = Known();

    [Theory]
    [InlineData("M:System.String.Substring(System.Int32)", "String.Substring(int)")]
    [InlineData("M:System.String.#ctor(System.Char[])", "String(char[])")]
    [InlineData("M:System.Collections.Generic.List`1.Add(`0)", "List<T>.Add(T)")]
    [InlineData("M:System.Collections.Generic.List`1.#ctor(System.Collections.Generic.IEnumerable{`0})", "List<T>(IEnumerable<T>)")]
    [InlineData("M:System.Collections.Generic.Dictionary`2.KeyCollection.CopyTo(`0[],System.Int32)", "Dictionary<TKey, TValue>.KeyCollection.CopyTo(TKey[], int)")]
    [InlineData("P:System.Collections.Generic.List`1.Item(System.Int32)", "List<T>.Item[int]")]
    [InlineData("P:System.String.Length", "String.Length")]
    [InlineData("F:System.String.Empty", "String.Empty")]
    [InlineData("M:System.Decimal.op_Addition(System.Decimal,System.Decimal)", "Decimal.operator +(decimal, decimal)")]
    [InlineData("M:System.Decimal.op_Implicit(System.Byte)~System.Decimal", "Decimal.implicit operator decimal(byte)")]
    [InlineData("M:System.Decimal.op_CheckedAddition(System.Decimal,System.Decimal)", "Decimal.operator checked +(decimal, decimal)")]
    [InlineData("M:System.Int32.TryParse(System.String,System.Int32@)", "Int32.TryParse(string, out int)")]
    [InlineData("M:System.String.Swap(System.Int32@)", "String.Swap(ref int)")]
    [InlineData("M:System.String.Grid(System.Int32[0:,0:],System.Void*)", "String.Grid(int[,], void*)")]
    [InlineData("M:System.String.Maybe(System.Nullable{System.Int32},System.ValueTuple{System.Int32,System.String})", "String.Maybe(int?, (int, string))")]
    [InlineData("M:System.String.Deep(System.Collections.Generic.List{System.Collections.Generic.Dictionary{System.String,System.Object[]}})", "String.Deep(List<Dictionary<string, object[]>>)")]
    [InlineData("M:System.String.Inner(System.Collections.Generic.Dictionary{System.String,System.Int32}.KeyCollection)", "String.Inner(Dictionary<string, int>.KeyCollection)")]
    [InlineData("M:System.String.Unknown(Foo.Bar.Baz{System.Int32})", "String.Unknown(Baz<int>)")]
    public void MemberName_OfId_IsCSharp(string id, string expected) => Assert.Equal(expected, MemberIds.MemberName(id, [], Names));

    [Fact]
    public void MemberName_GenericMethod_UsesDocumentedParameterNames()
    {
        const string Id = "M:System.String.Select``2(System.Func{``0,``1})";

        Assert.Equal("String.Select<TSource, TResult>(Func<TSource, TResult>)", MemberIds.MemberName(Id, ["TSource", "TResult"], Names));
        Assert.Equal("String.Select<T1, T2>(Func<T1, T2>)", MemberIds.MemberName(Id, [], Names));
    }

    [Theory]
    [InlineData("T:System.Int32", "Int32")]
    [InlineData("T:System.Collections.Generic.Dictionary`2.KeyCollection", "Dictionary<TKey, TValue>.KeyCollection")]
    [InlineData("M:System.String.Substring(System.Int32)", "String.Substring")]
    [InlineData("M:System.String.#ctor(System.Char[])", "String")]
    [InlineData("M:System.Decimal.op_Equality(System.Decimal,System.Decimal)", "Decimal.operator ==")]
    [InlineData("Overload:System.String.Join", "String.Join")]
    [InlineData("N:System.Collections", "System.Collections")]
    [InlineData("!:Foo.Bar", "Bar")]
    [InlineData("T:Foo.Bar`1", "Bar<T>")]
    [InlineData("Bar", "Bar")]
    public void Reference_InProse_LeavesOutSignatures(string cref, string expected) => Assert.Equal(expected, MemberIds.Reference(cref, Names));

    [Theory]
    [InlineData("System.Collections.Generic.Dictionary`2.KeyCollection", "System.Collections.Generic")]
    [InlineData("System.String", "System")]
    [InlineData("Lonely", "")]
    public void Namespace_OfNestedType_EndsBeforeTheOutermost(string id, string expected) => Assert.Equal(expected, Names.Namespace(id));

    private static TypeNames Known()
    {
        var names = new TypeNames();
        names.Add("System.String", []);
        names.Add("System.Decimal", []);
        names.Add("System.Int32", []);
        names.Add("System.Collections.Generic.List`1", ["T"]);
        names.Add("System.Collections.Generic.IEnumerable`1", ["T"]);
        names.Add("System.Collections.Generic.Dictionary`2", ["TKey", "TValue"]);
        names.Add("System.Collections.Generic.Dictionary`2.KeyCollection", []);
        return names;
    }
}
