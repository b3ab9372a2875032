using System.Collections;

namespace Cluster.Collectives.Protocol;

/// <summary>
/// Members as they come and go. As long as nobody does, <see cref="Snapshot"/> is one and the same object, by which others see that
/// nothing has changed.
/// </summary>
internal sealed class MemberList : IReadOnlyList<Member>
{
    private readonly List<Member> _members = [];
    private Dictionary<string, int>? _places;
    private Roster? _snapshot;

    public int Count => _members.Count;

    public Member this[int index] => _members[index];

    /// <summary>Everyone now.</summary>
    public Roster Snapshot() => _snapshot ??= [.. _members];

    public void Add(Member member)
    {
        _places?.TryAdd(member.Id, _members.Count);
        _members.Add(member);
        _snapshot = null;
    }

    public void Remove(string id) => RemoveAll(member => member.Id == id);

    public void RemoveAll(Predicate<Member> leaves)
    {
        if (_members.RemoveAll(leaves) > 0)
            (_places, _snapshot) = (null, null);
    }

    public void Clear()
    {
        _members.Clear();
        (_places, _snapshot) = (null, null);
    }

    public void Sort(Comparison<Member> order)
    {
        for (var i = 1; i < _members.Count; i++)
        {
            if (order(_members[i - 1], _members[i]) <= 0)
                continue;
            _members.Sort(order);
            (_places, _snapshot) = (null, null);
            return;
        }
    }

    /// <summary>The member's place, or -1.</summary>
    public int PlaceOf(string id)
    {
        if (_members.Count > Roster.Few)
            return (_places ??= Roster.Places(_members)).GetValueOrDefault(id, -1);
        for (var i = 0; i < _members.Count; i++)
        {
            if (_members[i].Id == id)
                return i;
        }

        return -1;
    }

    public IEnumerator<Member> GetEnumerator() => _members.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
