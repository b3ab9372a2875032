using Cluster.Core.Randomness;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Tests.Cache;

public class KvBlockPoolTests
{
    private const int BlockTokens = 4;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void RandomOperations_EveryInvariantHoldsAfterEach(ulong seed, bool collisions)
    {
        // Two letters and few blocks: prefixes are often the same, and the pool is often full. With collisions, all contents share 16 names.
        var pool = collisions
            ? new KvBlockPool(24, BlockTokens, (parent, prefilled, ids) => PrefixKey.Of(parent, prefilled, ids) & 15)
            : new KvBlockPool(24, BlockTokens);
        var random = new CounterRandom(seed, RandomPurpose.Synthetic, 1);
        ulong drawn = 0;
        int Below(int bound) => (int)random.Below(drawn++, (ulong)bound);
        var world = new World(pool);
        long adopted = 0, replaced = 0;
        for (var operation = 0; operation < 100_000; operation++)
        {
            var slot = Below(8);
            if (world.Members[slot] is not { } member)
            {
                int[] ids = [.. Enumerable.Range(0, 40).Select(_ => Below(20) == 0 ? 1 : 0)];
                member = world.Members[slot] = new Member(new DecodeSequence(pool, 40), ids, Prefilled: Below(3) == 0 ? Below(40) : 40);
                adopted += member.Adopt(pool, most: Below(11));
            }
            else if (Below(6) == 0)
            {
                member.Sequence.Dispose();
                world.Members[slot] = null;
            }
            else if (Below(12) == 0)
            {
                member.Sequence.Truncate(Below(member.Sequence.Length / BlockTokens + 1) * BlockTokens);
            }
            else
            {
                var more = Math.Min(1 + Below(7), 40 - member.Sequence.Length);
                if (member.Sequence.Missing(more) > pool.Free)
                    Assert.Throws<KvCacheFullException>(() => member.Sequence.Reserve(more));
                else
                    world.Write(member, more);
                if (Below(8) != 0)
                    replaced += member.Publish();
            }

            world.Check();
        }

        // The operations met what they are to test.
        Assert.True(adopted > 1_000 && replaced > 1_000 && pool.Evicted > 1_000, $"{adopted} blocks adopted, {replaced} replaced, {pool.Evicted} evicted");
        foreach (var member in world.Members)
            member?.Sequence.Dispose();
        using var all = new DecodeSequence(pool, 24 * BlockTokens);
        all.Reserve(24 * BlockTokens);
        Assert.Equal((0, 24, 0), (pool.Free, pool.Held, pool.Cached));
    }

    [Fact]
    public void FindPrefix_AfterDispose_FullBlocksOfTheSamePrefixOnly()
    {
        var pool = new KvBlockPool(8, BlockTokens);
        int[] ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        Computed(pool, ids, prefilled: 10).Dispose();
        Assert.Equal((8, 2), (pool.Free, pool.Cached));
        var blocks = new int[4];
        Assert.Equal(2, pool.FindPrefix(ids, 10, blocks));
        Assert.Equal(1, pool.FindPrefix(ids.AsSpan(0, 7), 7, blocks));
        Assert.Equal(1, pool.FindPrefix([1, 2, 3, 4, 5, 6, 7, 0], 8, blocks));
        Assert.Equal(0, pool.FindPrefix([0, 2, 3, 4, 5, 6, 7, 8], 8, blocks)); // the same second block after another first one
        Assert.Equal(0, pool.FindPrefix(ids.AsSpan(4), 6, blocks)); // at another place
    }

    [Fact]
    public void FindPrefix_ComputedByDecode_IsAnotherContent()
    {
        var pool = new KvBlockPool(8, BlockTokens);
        int[] ids = [1, 2, 3, 4, 5, 6, 7, 8];
        Computed(pool, ids, prefilled: 6).Dispose();
        var blocks = new int[2];
        Assert.Equal(1, pool.FindPrefix(ids, 8, blocks));
        Assert.Equal(1, pool.FindPrefix(ids, 5, blocks));
        Assert.Equal(2, pool.FindPrefix(ids, 6, blocks));
    }

    [Fact]
    public void Take_NothingUnused_ForgetsLeastRecentlyHeldLeavesFirst()
    {
        var pool = new KvBlockPool(6, BlockTokens);
        int[] old = [.. Enumerable.Range(0, 12)], recent = [.. Enumerable.Range(100, 12)];
        Computed(pool, old, 12).Dispose();
        Computed(pool, recent, 12).Dispose();
        var blocks = new int[3];
        using var taker = new DecodeSequence(pool, 24);
        for (var left = 2; left >= 0; left--)
        {
            taker.Reserve((3 - left) * BlockTokens);
            Assert.Equal((left, 3), (pool.FindPrefix(old, 12, blocks), pool.FindPrefix(recent, 12, blocks)));
        }
    }

    [Fact]
    public void FindPrefix_HashesCollide_NeverTheOtherContent()
    {
        var pool = new KvBlockPool(8, BlockTokens, (_, _, _) => 7);
        using var one = Computed(pool, [1, 2, 3, 4, 5, 6, 7, 8], 8);
        using var two = Computed(pool, [9, 9, 9, 9, 5, 6, 7, 8], 8);
        var blocks = new int[2];
        Assert.Equal(1, pool.FindPrefix([1, 2, 3, 4, 5, 6, 7, 8], 8, blocks));
        Assert.Equal(one.Blocks[0], blocks[0]);
        Assert.Equal(0, pool.FindPrefix([9, 9, 9, 9, 5, 6, 7, 8], 8, blocks));
        Assert.Equal(4, pool.Held);
    }

    [Fact]
    public void Publish_SamePrefixComputedTwice_OneBlockStays()
    {
        var pool = new KvBlockPool(8, BlockTokens);
        using var one = Computed(pool, [1, 2, 3, 4, 5], 5);
        using var two = Computed(pool, [1, 2, 3, 4, 6], 5);
        Assert.Equal(one.Blocks[0], two.Blocks[0]);
        Assert.NotEqual(one.Blocks[1], two.Blocks[1]);
        Assert.Equal((3, 2), (pool.Held, pool.Holders(one.Blocks[0])));
    }

    [Fact]
    public void Misuse_Throws()
    {
        var pool = new KvBlockPool(8, BlockTokens);
        using var one = Computed(pool, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9);
        Assert.Throws<ArgumentException>(() => one.Truncate(6)); // others may hold the block that token 6 would be written into
        Assert.Throws<InvalidOperationException>(() => one.Adopt(one.Blocks));
        using var two = new DecodeSequence(pool, 7);
        Assert.Throws<ArgumentException>(() => two.Adopt([one.Blocks[0], one.Blocks[1]])); // longer than it may become
        Assert.Throws<ArgumentException>(() => two.Adopt([one.Blocks[2]])); // not full
        one.Truncate(4);
        Assert.Equal((4, 1, 1), (one.Length, pool.Held, pool.Cached));
    }

    private static DecodeSequence Computed(KvBlockPool pool, int[] ids, int prefilled)
    {
        var sequence = new DecodeSequence(pool, 24);
        sequence.Reserve(ids.Length);
        sequence.Advance(ids.Length);
        sequence.Publish(ids, prefilled);
        return sequence;
    }

    private sealed record Member(DecodeSequence Sequence, int[] Ids, int Prefilled)
    {
        public int Adopt(KvBlockPool pool, int most)
        {
            var blocks = new int[Ids.Length / BlockTokens];
            var found = Math.Min(most, pool.FindPrefix(Ids, Prefilled, blocks));
            Sequence.Adopt(blocks.AsSpan(0, found));
            return found;
        }

        public int Publish()
        {
            var before = Sequence.Blocks.ToArray();
            Sequence.Publish(Ids, Prefilled);
            return before.Zip(Sequence.Blocks.ToArray()).Count(pair => pair.First != pair.Second);
        }
    }

    /// <summary>Sequences, and what a backend would have written under the blocks' numbers.</summary>
    private sealed class World(KvBlockPool pool)
    {
        private readonly (int Id, bool Prefilled)[] _storage = new (int, bool)[pool.Count * BlockTokens];
        private readonly Dictionary<int, UInt128> _keys = [];

        public Member?[] Members { get; } = new Member?[8];

        public void Write(Member member, int tokens)
        {
            member.Sequence.Reserve(tokens);
            for (var t = member.Sequence.Length; t < member.Sequence.Length + tokens; t++)
                _storage[member.Sequence.Blocks[t / BlockTokens] * BlockTokens + t % BlockTokens] = (member.Ids[t], t < member.Prefilled);
            member.Sequence.Advance(tokens);
        }

        public void Check()
        {
            var holders = new int[pool.Count];
            foreach (var member in Members)
            {
                if (member is null)
                    continue;
                foreach (var block in member.Sequence.Blocks)
                    holders[block]++;
                for (var t = 0; t < member.Sequence.Length; t++)
                {
                    // No sequence ever reads what another one wrote, unless it is what itself would have written.
                    if (_storage[member.Sequence.Blocks[t / BlockTokens] * BlockTokens + t % BlockTokens] != (member.Ids[t], t < member.Prefilled))
                        Assert.Fail($"token {t} reads another sequence's content");
                }
            }

            int held = 0, cached = 0, unused = 0;
            for (var block = 0; block < pool.Count; block++)
            {
                if (holders[block] != pool.Holders(block))
                    Assert.Fail($"block {block} counts {pool.Holders(block)} holders, and {holders[block]} hold it");
                if (holders[block] > 0)
                    held++;
                else if (pool.IsNamed(block))
                    cached++;
                else
                    unused++;
                if (pool.IsNamed(block) && pool.ParentOf(block) >= 0 && !pool.IsNamed(pool.ParentOf(block)))
                    Assert.Fail($"block {block} outlives the block before it");
                if (holders[block] == 0 || !pool.IsNamed(block))
                    _keys.Remove(block);
                else if (!_keys.TryAdd(block, pool.KeyOf(block)) && _keys[block] != pool.KeyOf(block))
                    Assert.Fail($"the content of block {block} changed while it was held");
            }

            if ((held, cached, unused) != (pool.Held, pool.Cached, pool.Free - pool.Cached))
                Assert.Fail($"held {pool.Held}, cached {pool.Cached}, free {pool.Free}, but counted {held}, {cached}, {unused} unused");
        }
    }
}
