// Enters: members in lane order. Leaves: places by name. Does not know: who is a member and why.
using System.Collections;
using System.Runtime.CompilerServices;

namespace Cluster.Collectives.Protocol;

/// <summary>Members in lane order; it never changes. A member's place is found in constant time, for a step asks for each of them.</summary>
[CollectionBuilder(typeof(Roster), nameof(Create))]
public sealed class Roster : IReadOnlyList<Member>
{
    /// <summary>Up to so many a scan is as fast as a look-up, and needs no table.</summary>
    internal const int Few = 8;

    private readonly Member[] _members;
    private Dictionary<string, int>? _places;

    private Roster(Member[] members) => _members = members;

    /// <inheritdoc/>
    public int Count => _members.Length;

    /// <inheritdoc/>
    public Member this[int index] => _members[index];

    /// <summary>Of members in lane order, each name once.</summary>
    public static Roster Create(ReadOnlySpan<Member> members) => new(members.ToArray());

    /// <summary>The member's place, or -1.</summary>
    public int PlaceOf(string id)
    {
        if (_members.Length > Few)
            return (_places ??= Places(_members)).GetValueOrDefault(id, -1);
        for (var i = 0; i < _members.Length; i++)
        {
            if (_members[i].Id == id)
                return i;
        }

        return -1;
    }

    /// <inheritdoc/>
    public IEnumerator<Member> GetEnumerator() => ((IEnumerable<Member>)_members).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _members.GetEnumerator();

    /// <summary>Places by name.</summary>
    internal static Dictionary<string, int> Places(IReadOnlyList<Member> members)
    {
        var places = new Dictionary<string, int>(members.Count, StringComparer.Ordinal);
        for (var i = 0; i < members.Count; i++)
            places[members[i].Id] = i;
        return places;
    }
}
