namespace Cluster.Inference.Generation;

/// <summary>All that generation knows of a tokenizer.</summary>
public interface ITokenText
{
    /// <summary>Ids with a text are 0 to Count − 1; a model's vocabulary may be rounded up above it, and those ids are never drawn.</summary>
    int Count { get; }

    /// <summary>The UTF-8 bytes that an id stands for, which may begin or end inside a character.</summary>
    ReadOnlySpan<byte> Bytes(int id);
}
