using Cluster.Inference.Cache;
using CsCheck;

namespace Cluster.Inference.Tests.Cache;

public class DecodeSequenceTests
{
    [Fact]
    public void Operations_InAnyOrder_EveryBlockHasOneOwner()
    {
        // (sequence, grow or shrink, by how much)
        var step = Gen.Select(Gen.Int[0, 3], Gen.Bool, Gen.Int[1, 20]);
        step.Array[1, 60].Sample(steps =>
        {
            var pool = new KvBlockPool(blocks: 10, blockTokens: 4);
            DecodeSequence[] sequences = [.. Enumerable.Range(0, 4).Select(_ => new DecodeSequence(pool, maxTokens: 30))];
            foreach (var (which, grow, amount) in steps)
            {
                var sequence = sequences[which];
                var (length, held, free) = (sequence.Length, sequence.Blocks.Length, pool.Free);
                if (!grow)
                {
                    sequence.Truncate(Math.Max(0, length - amount));
                }
                else if (length + amount > 30)
                {
                    Assert.Throws<ArgumentException>(() => sequence.Reserve(amount));
                    Assert.Equal((length, held, free), (sequence.Length, sequence.Blocks.Length, pool.Free));
                }
                else if (sequence.Missing(amount) > free)
                {
                    Assert.Throws<KvCacheFullException>(() => sequence.Reserve(amount));
                    Assert.Equal((length, held, free), (sequence.Length, sequence.Blocks.Length, pool.Free));
                }
                else
                {
                    sequence.Reserve(amount);
                    sequence.Advance(amount);
                }

                int[] owned = [.. sequences.SelectMany(s => s.Blocks.ToArray())];
                Assert.Equal(owned.Length, owned.Distinct().Count());
                Assert.Equal(pool.Count, owned.Length + pool.Free);
                Assert.All(sequences, s => Assert.Equal((s.Length + 3) / 4, s.Blocks.Length));
            }

            foreach (var sequence in sequences)
                sequence.Dispose();
            Assert.Equal(pool.Count, pool.Free);
        }, iter: 200, seed: "0000KOIPe036");
    }

    [Fact]
    public void Dispose_Twice_BlocksReturnedOnce()
    {
        var pool = new KvBlockPool(blocks: 2, blockTokens: 4);
        var sequence = new DecodeSequence(pool, maxTokens: 8);
        sequence.Reserve(5);
        sequence.Advance(5);
        sequence.Dispose();
        sequence.Dispose();
        Assert.Equal(2, pool.Free);
        Assert.Throws<ObjectDisposedException>(() => sequence.Reserve(1));
    }
}
