using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Inference.Sampling;
using CsCheck;

namespace Cluster.Inference.Tests.Sampling;

public class SamplerTests
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0 };

    [Fact]
    public void Choose_AnyOptions_EqualsNaiveReference()
    {
        // Logits on a coarse grid tie often; the grid is exact in fp32, and so are the temperatures.
        var shape = Gen.Select(Gen.OneOf(0, 0.5, 1, 2), Gen.Int[0, 40], Gen.OneOf(1, 0.97, 0.6, 0.2, 0.01), Gen.OneOf(0, 0, 0.05, 0.3, 1),
            (t, k, p, m) => new GenerationOptions { Temperature = t, TopK = k, TopP = p, MinP = m });
        var bias = Gen.Select(Gen.Int[0, 59], Gen.Int[-20, 20]).Array[0, 4];
        var changes = Gen.Select(Gen.OneOf(1, 1.25, 0.5), Gen.OneOf(0, 0.5, -1.25), Gen.OneOf(0, 0.25, 2), bias);
        var history = Gen.Select(Gen.Int[0, 59].Array[0, 12], Gen.Int[0, 12]);
        Gen.Select(Gen.Int[-24, 24].Array[1, 60], history, shape, changes, Gen.ULong, Gen.Int[0, 1_000]).Sample((grid, past, o, change, seed, position) =>
        {
            float[] logits = [.. grid.Select(g => g / 4f)];
            int[] ids = [.. past.Item1.Where(id => id < logits.Length)];
            var prompt = Math.Min(past.Item2, ids.Length);
            o = o with
            {
                Seed = seed,
                RepetitionPenalty = change.Item1,
                PresencePenalty = change.Item2,
                FrequencyPenalty = change.Item3,
                LogitBias = change.Item4.Where(b => b.Item1 < logits.Length).DistinctBy(b => b.Item1).ToDictionary(b => b.Item1, b => b.Item2 / 4.0),
            };
            using var sampler = new Sampler(logits.Length);
            var chosen = sampler.Choose(logits, ids, o, request: 3, position, prompt);
            Assert.Equal(Naive(logits, ids, o, 3, position, prompt), chosen.Id);
            var logSumExp = Math.Log(logits.Sum(l => Math.Exp(l)));
            Assert.Equal(logits[chosen.Id] - logSumExp, chosen.LogProbability, 1e-5);
            Assert.Equal(chosen, sampler.Choose(logits, ids, o, 3, position, prompt)); // the counts leave no trace
        }, iter: 6_000, seed: "0000KOIPe036");
    }

    [Fact]
    public void Choose_SomeAllowed_AsIfTheOthersWereImpossible()
    {
        var logits = new float[200];
        new CounterRandom(1, RandomPurpose.Synthetic, 0).Normal(logits, 3);
        var logSumExp = Math.Log(logits.Sum(l => Math.Exp(l)));
        var best = Array.IndexOf(logits, logits.Max());
        using var sampler = new Sampler(logits.Length);
        GenerationOptions[] cases =
        [
            new() { Temperature = 0 }, new(), new() { Temperature = 0.7, TopK = 5 }, new() { TopP = 0.9 }, new() { MinP = 0.2 }, new() { TopK = 150, TopP = 0.8, Temperature = 1.5 },
            new() { RepetitionPenalty = 1.3, PresencePenalty = 1, LogitBias = new Dictionary<int, double> { [best] = 100, [3] = 2 }, TopLogProbabilities = 2 },
        ];
        for (var position = 0; position < 200; position++)
        {
            // Without the most probable one; at last only one is left.
            var random = new CounterRandom(2, RandomPurpose.Synthetic, (ulong)position);
            bool[] allows = [.. Enumerable.Range(0, 200).Select(id => id != best && (id == 77 || random.Below((ulong)id, 200) >= (ulong)position))];
            var allowed = new ulong[4];
            for (var id = 0; id < 200; id++)
                allowed[id / 64] |= allows[id] ? 1UL << id % 64 : 0;
            float[] masked = [.. logits.Select((l, id) => allows[id] ? l : float.NegativeInfinity)];
            foreach (var options in cases)
            {
                var chosen = sampler.Choose(logits, [5, 5, 77], options, 0, position, 1, allowed);
                Assert.Equal(Naive(masked, [5, 5, 77], options, 0, position, 1), chosen.Id);
                Assert.True(allows[chosen.Id]);
                Assert.Equal(logits[chosen.Id] - logSumExp, chosen.LogProbability, 1e-4);
                Assert.Equal(options.TopLogProbabilities > 0 ? best : null, chosen.Top?[0].Id);
            }
        }
    }

    [Fact]
    public void Choose_AllowedOnesAreImpossible_SaysSo()
    {
        using var sampler = new Sampler(3);
        float[] logits = [1, float.NegativeInfinity, 2];
        Assert.Equal("The model gives no token that response_format allows a probability.",
            Assert.Throws<UserErrorException>(() => sampler.Choose(logits, [], s_greedy, 0, 0, 0, [0b010])).What);
        Assert.Equal(0, sampler.Choose(logits, [], s_greedy, 0, 0, 0, [0b011]).Id);
        Assert.Throws<ArgumentException>(() => sampler.Choose(logits, [], s_greedy, 0, 0, 0, [1, 1]));
    }

    [Fact]
    public void Choose_LargeVocabulary_EqualsNaiveReference()
    {
        var logits = new float[8_190];
        new CounterRandom(1, RandomPurpose.Synthetic, 0).Normal(logits, 3);
        using var sampler = new Sampler(logits.Length);
        GenerationOptions[] cases =
        [
            new(), new() { Temperature = 0.7 }, new() { TopK = 40 }, new() { TopK = 1 }, new() { TopP = 0.9 }, new() { TopK = 200, TopP = 0.8, Temperature = 1.5 },
            new() { TopP = 0.5, RepetitionPenalty = 1.3 },
            new() { MinP = 0.1 }, new() { MinP = 0.02, TopK = 300, TopP = 0.9, Temperature = 2 },
        ];
        foreach (var options in cases)
        {
            for (var position = 0; position < 40; position++)
                Assert.Equal(Naive(logits, [5, 5, 77], options, 0, position), sampler.Choose(logits, [5, 5, 77], options, 0, position).Id);
        }
    }

    [Fact]
    public void Choose_Drawn_FollowsTheDistribution()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), float.NegativeInfinity, MathF.Log(0.2f)];
        using var sampler = new Sampler(4);
        var counts = new int[4];
        for (var position = 0; position < 20_000; position++)
            counts[sampler.Choose(logits, [], new GenerationOptions { Seed = 1 }, 0, position).Id]++;
        // Four standard deviations of a binomial of 20,000 are below 283.
        Assert.InRange(counts[0], 10_000 - 283, 10_000 + 283);
        Assert.InRange(counts[1], 6_000 - 283, 6_000 + 283);
        Assert.InRange(counts[3], 4_000 - 283, 4_000 + 283);
        Assert.Equal(0, counts[2]);
    }

    [Fact]
    public void Choose_Greedy_IsLowestIdOfLargestLogit()
    {
        using var sampler = new Sampler(5);
        Assert.Equal(1, sampler.Choose([0, 3, -1, 3, 2], [], s_greedy, 0, 0).Id);
        Assert.Equal(0, sampler.Choose([7, 7, 7, 7, 7], [], s_greedy, 0, 0).Id);
    }

    [Fact]
    public void Choose_RepetitionPenalty_DividesPositiveAndMultipliesNegativeOnce()
    {
        var options = s_greedy with { RepetitionPenalty = 2 };
        using var sampler = new Sampler(3);
        Assert.Equal(1, sampler.Choose([4, 2.5f, -9], [0], options, 0, 0).Id); // 4 → 2
        Assert.Equal(0, sampler.Choose([4, 1.5f, -9], [0, 0], options, 0, 0).Id); // once, however often it was seen
        Assert.Equal(1, sampler.Choose([-2, -3, -9], [0], options, 0, 0).Id); // −2 → −4
    }

    [Fact]
    public void Choose_PresenceAndFrequency_CountTheReplyOnly()
    {
        using var sampler = new Sampler(2);
        var presence = s_greedy with { PresencePenalty = 1 };
        Assert.Equal(0, sampler.Choose([4, 3.5f], [0, 0], presence, 0, 0, promptLength: 2).Id);
        Assert.Equal(1, sampler.Choose([4, 3.5f], [0, 0], presence, 0, 0, promptLength: 1).Id);
        Assert.Equal(0, sampler.Choose([4, 2.5f], [0, 0, 0], presence, 0, 0).Id); // 4 → 3, however often
        var frequency = s_greedy with { FrequencyPenalty = 0.5 };
        Assert.Equal(0, sampler.Choose([4, 3.2f], [0], frequency, 0, 0).Id); // 4 → 3.5
        Assert.Equal(1, sampler.Choose([4, 3.2f], [0, 0], frequency, 0, 0).Id); // 4 → 3
    }

    [Fact]
    public void Choose_LogitBias_IsAddedAfterThePenalties()
    {
        using var sampler = new Sampler(3);
        var bias = s_greedy with { LogitBias = new Dictionary<int, double> { [1] = 3, [2] = -100 } };
        Assert.Equal(1, sampler.Choose([4, 2, 50], [], bias, 0, 0).Id);
        // 2 / 2 + 3 = 4, not (2 + 3) / 2.
        Assert.Equal(1, sampler.Choose([3.9f, 2, 50], [1], bias with { RepetitionPenalty = 2 }, 0, 0).Id);
    }

    [Fact]
    public void Choose_Alternatives_AreTheModelsMostProbable()
    {
        using var sampler = new Sampler(4);
        float[] logits = [1, 3, 3, 2];
        var logSumExp = Math.Log(logits.Sum(l => Math.Exp(l)));
        // Neither bias nor greed changes what the model says.
        var chosen = sampler.Choose(logits, [], s_greedy with { TopLogProbabilities = 3, LogitBias = new Dictionary<int, double> { [0] = 50 } }, 0, 0);
        Assert.Equal(0, chosen.Id);
        Assert.Equal([1, 2, 3], chosen.Top!.Select(t => t.Id));
        Assert.All(chosen.Top!, t => Assert.Equal(logits[t.Id] - logSumExp, t.LogProbability, 1e-5));
        Assert.Equal(4, sampler.Choose(logits, [], s_greedy with { TopLogProbabilities = 20 }, 0, 0).Top!.Count);
        Assert.Null(sampler.Choose(logits, [], s_greedy, 0, 0).Top);
    }

    [Fact]
    public void Choose_NothingExtraAsked_AllocatesNothing()
    {
        using var sampler = new Sampler(64);
        var logits = new float[64];
        var options = new GenerationOptions { Temperature = 0.8, MinP = 0.01, RepetitionPenalty = 1.1, PresencePenalty = 0.1 };
        int[] history = [1, 2, 3];
        sampler.Choose(logits, history, options, 0, 0, 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var position = 0; position < 50; position++)
            sampler.Choose(logits, history, options, 0, position, 1);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Choose_SameKey_SameToken_OtherSeedRequestOrPosition_OtherTokens()
    {
        var logits = new float[64];
        using var sampler = new Sampler(64);
        int[] Draws(ulong seed, ulong request, int start) =>
            [.. Enumerable.Range(start, 50).Select(p => sampler.Choose(logits, [], new GenerationOptions { Seed = seed }, request, p).Id)];
        var draws = Draws(1, 2, 3);
        Assert.Equal(draws, Draws(1, 2, 3));
        Assert.NotEqual(draws, Draws(2, 2, 3));
        Assert.NotEqual(draws, Draws(1, 3, 3));
        Assert.NotEqual(draws, Draws(1, 2, 4));
        Assert.Equal(draws[1..], Draws(1, 2, 4)[..^1]); // a position is an address
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Choose_LogitsNotFinite_SaysSo(float bad)
    {
        using var sampler = new Sampler(3);
        var error = Assert.Throws<UserErrorException>(() => sampler.Choose([0, bad, 1], [], s_greedy, 0, 0));
        Assert.Contains("damaged", error.Remedy, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => sampler.Choose([.. Enumerable.Repeat(float.NegativeInfinity, 3)], [], s_greedy, 0, 0));
        Assert.Equal(2, sampler.Choose([0, float.NegativeInfinity, 1], [], s_greedy, 0, 0).Id);
    }

    /// <summary>The definition, in double, with sorting.</summary>
    private static int Naive(float[] logits, int[] history, GenerationOptions options, ulong request, int position, int promptLength = 0)
    {
        var penalty = (float)options.RepetitionPenalty;
        float[] scores = [.. logits.Select((l, id) => !history.Contains(id) ? l : l > 0 ? l / penalty : l * penalty)];
        for (var id = 0; id < scores.Length; id++)
        {
            var count = history.Skip(promptLength).Count(h => h == id);
            scores[id] -= (float)(count * options.FrequencyPenalty + (count > 0 ? options.PresencePenalty : 0));
            scores[id] += (float)options.LogitBias.GetValueOrDefault(id);
        }

        int[] order = [.. Enumerable.Range(0, scores.Length).OrderByDescending(id => scores[id]).ThenBy(id => id)];
        if (options.Temperature == 0)
            return order[0];
        if (options.TopK > 0)
            order = order[..Math.Min(options.TopK, order.Length)];
        double[] weights = [.. scores.Select(s => Math.Exp((s - (double)scores[order[0]]) / options.Temperature))];
        order = [.. order.Where(id => weights[id] >= options.MinP)];
        var total = order.Sum(id => weights[id]);
        var kept = new List<int>();
        foreach (var id in order)
        {
            kept.Add(id);
            if (options.TopP < 1 && kept.Sum(k => weights[k]) >= options.TopP * total)
                break;
        }

        kept.Sort();
        var u = new CounterRandom(options.Seed, RandomPurpose.TokenSampling, request).Double((ulong)position) * kept.Sum(id => weights[id]);
        double reached = 0;
        foreach (var id in kept)
        {
            reached += weights[id];
            if (reached > u)
                return id;
        }

        return kept[^1];
    }
}
