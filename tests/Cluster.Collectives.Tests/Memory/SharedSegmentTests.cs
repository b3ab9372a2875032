using Cluster.Collectives.Exchange;
using Cluster.Collectives.Memory;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Tests.Memory;

/// <summary>Linux only, as segments are; elsewhere every pair takes its connection.</summary>
public class SharedSegmentTests
{
    private static readonly SlicePlan s_slices = new(3 * 4_096 + 16, 4_096);
    private static readonly ExchangeKey s_key = new(1, 1, 1, 5);

    [Fact]
    public void TryRead_PublishedParts_AreThoseOfTheOwnerInPlace()
    {
        var (segment, reader) = Open();
        using var closing = reader;
        Memory<float> left = Filled(segment, 1), right = Filled(segment, 2), reduced = Filled(segment, 3);
        segment.Advance(s_key);
        Assert.Null(reader.TryRead(s_key, PartKind.Nodes, 0));
        segment.ShowNodes([right, left]);
        var nodes = reader.TryRead(s_key, PartKind.Nodes, 0)!.Value;
        Assert.Equal((2, s_slices[0].Length), (nodes.Count, nodes.Length));
        Assert.Equal((2, 1), (nodes[0].Span[7], nodes[1].Span[7]));
        Assert.Null(reader.TryRead(s_key, PartKind.Reduced, 0));
        segment.ShowReduced(0, reduced);
        Assert.Equal(3, reader.TryRead(s_key, PartKind.Reduced, 0)!.Value[0].Span[^1]);
        // Not a copy: what the owner writes later is seen.
        left.Span[7] = 9;
        Assert.Equal(9, nodes[1].Span[7]);
    }

    [Fact]
    public void IsCurrent_OwnerHasGoneOn_ViewIsWorthNothing()
    {
        var (segment, reader) = Open();
        using var closing = reader;
        var node = Filled(segment, 1);
        segment.Advance(s_key);
        segment.ShowNodes([node]);
        Assert.NotNull(reader.TryRead(s_key, PartKind.Nodes, 0));
        Assert.True(reader.IsCurrent(s_key));
        segment.Advance(s_key with { Generation = 2 });
        Assert.False(reader.IsCurrent(s_key));
        Assert.Throws<StaleKeyException>(() => reader.TryRead(s_key, PartKind.Nodes, 0));
    }

    [Fact]
    public void Advance_NextGeneration_NodesAreShownAgainWithoutACopy()
    {
        var (segment, reader) = Open();
        using var closing = reader;
        var node = Filled(segment, 4);
        segment.Advance(s_key);
        segment.ShowNodes([node]);
        var next = s_key with { Generation = 2 };
        segment.Advance(next);
        Assert.Null(reader.TryRead(next, PartKind.Nodes, 1));
        segment.ShowNodes([node]);
        Assert.Equal(4, reader.TryRead(next, PartKind.Nodes, 1)!.Value[0].Span[0]);
    }

    [Fact]
    public void TryOpen_NotTheSegmentMeant_RefusedWithTheReason()
    {
        var (segment, reader) = Open();
        using var closing = reader;
        var address = segment.Address;
        foreach (var wrong in new[] { address with { Token = 1 }, address with { Bytes = 1 << 20 }, address with { File = 0 }, address with { Process = int.MaxValue } })
        {
            Assert.Null(SegmentReader.TryOpen(wrong, out var refusal));
            Assert.NotNull(refusal);
        }

        GC.KeepAlive(segment);
    }

    [Fact]
    public void TryCreate_Segment_LeavesNoName()
    {
        var (segment, reader) = Open();
        using var closing = reader;
        Assert.DoesNotContain(Directory.GetFiles("/dev/shm"), file => file.Contains(SharedSegment.FileName, StringComparison.Ordinal));
        GC.KeepAlive(segment);
    }

    [Fact]
    public void ShowNodes_MemoryFromElsewhere_Refused()
    {
        var segment = SharedSegment.TryCreate(s_slices, 2, out _)!;
        Assert.Throws<ArgumentException>(() => segment.ShowNodes([new float[s_slices.Length]]));
        segment.Allocate();
        segment.Allocate();
        Assert.Throws<InvalidOperationException>(() => segment.Allocate());
    }

    private static (SharedSegment Owner, SegmentReader Peer) Open()
    {
        var segment = SharedSegment.TryCreate(s_slices, 4, out var refusal);
        Assert.Null(refusal);
        var reader = SegmentReader.TryOpen(segment!.Address, out refusal);
        Assert.Null(refusal);
        return (segment, reader!);
    }

    private static Memory<float> Filled(SharedSegment segment, float value)
    {
        var buffer = segment.Allocate();
        buffer.Span.Fill(value);
        return buffer;
    }
}
