using Cluster.Collectives.Protocol;
using CsCheck;

namespace Cluster.Collectives.Tests.Protocol;

public class MemberListTests
{
    [Fact]
    public void PlaceOf_AfterAnyChanges_IsThatOfAScan() => Gen.Int[0, 99].Array[0, 120].Sample(changes =>
    {
        var list = new MemberList();
        foreach (var change in changes)
        {
            var name = $"r{change % 30:00}";
            if (change >= 85)
                list.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
            else if (change >= 60)
                list.RemoveAll(m => m.Id == name);
            else if (list.PlaceOf(name) < 0)
                list.Add(new Member(name, ""));
            var names = list.Select(m => m.Id).ToList();
            for (var i = 0; i < 30; i++)
            {
                Assert.Equal(names.IndexOf($"r{i:00}"), list.PlaceOf($"r{i:00}"));
                Assert.Equal(names.IndexOf($"r{i:00}"), list.Snapshot().PlaceOf($"r{i:00}"));
            }
        }
    }, iter: 200);

    [Fact]
    public void Snapshot_NothingChanged_IsTheSame()
    {
        var list = new MemberList();
        list.Add(new Member("a", ""));
        list.Add(new Member("b", ""));
        var before = list.Snapshot();
        list.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
        list.RemoveAll(m => m.Id == "c");
        Assert.Same(before, list.Snapshot());
        list.Remove("a");
        Assert.Equal(["b"], list.Snapshot().Select(m => m.Id));
        Assert.Equal(["a", "b"], before.Select(m => m.Id));
    }
}
