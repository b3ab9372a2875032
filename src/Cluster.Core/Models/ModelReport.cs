using Cluster.Core.Recipes;

namespace Cluster.Core.Models;

/// <summary>A part of a model.</summary>
/// <param name="Part">Its name.</param>
/// <param name="Parameters">Trained values in all of its layers.</param>
/// <param name="Share">Of all, 0–1.</param>
public sealed record ModelPart(string Part, long Parameters, double Share);

/// <summary>
/// What a shape costs: parameters, bytes, floating-point operations of one token (<see cref="ModelFlops"/>). A pure function of the shape.
/// </summary>
public sealed record ModelReport
{
    // Tiny Shakespeare's 65 characters, U+FFFD and 16 special tokens, rounded up to a multiple of 16.
    private const int AssumedCharacters = 96;

    /// <summary>The shape with every derived field.</summary>
    public required ModelShape Shape { get; init; }

    /// <summary>In the order of the data's way through the model; parts that the shape has not are left out.</summary>
    public required IReadOnlyList<ModelPart> Parts { get; init; }

    /// <summary>Trained values.</summary>
    public required long Parameters { get; init; }

    /// <summary>Those outside the embedding tables and an untied head.</summary>
    public required long NonEmbeddingParameters { get; init; }

    /// <summary>Bytes of the weights, 4 each.</summary>
    public required long BytesFp32 { get; init; }

    /// <summary>Bytes of the weights, 2 each.</summary>
    public required long BytesBf16 { get; init; }

    /// <summary>Bytes that one replica trains with besides activations: fp32 weights, gradient and AdamW's two moments, 16 each.</summary>
    public required long TrainingBytes { get; init; }

    /// <summary>Tokens that the attention term is taken at: the base context.</summary>
    public required int Context { get; init; }

    /// <summary>6 · N.</summary>
    public required long FlopsPerTokenParameters { get; init; }

    /// <summary>6 · vocabulary · width.</summary>
    public required long FlopsPerTokenHead { get; init; }

    /// <summary>12 · layers · heads · head size · context.</summary>
    public required long FlopsPerTokenAttention { get; init; }

    /// <summary>Their sum: forward and backward of one token in training. Decoding one token takes a third, at that context.</summary>
    public required long FlopsPerToken { get; init; }

    /// <summary>Bytes of keys and values of one token in fp32: 2 · layers · kv_heads · head size · 4.</summary>
    public required long KvCacheBytesPerTokenFp32 { get; init; }

    /// <summary>The same in bf16.</summary>
    public required long KvCacheBytesPerTokenBf16 { get; init; }

    /// <summary>
    /// The shape that a recipe's model has if the tokenizer reaches the vocabulary asked for, with room for the longest phase.
    /// A vocabulary of characters depends on the text; 96 is assumed.
    /// </summary>
    public static ModelShape ShapeOf(Recipe recipe)
    {
        var vocabulary = recipe.Model.Vocabulary > 0 ? recipe.Model.Vocabulary : recipe.Tokenizer.Kind switch
        {
            TokenizerKind.Bpe => (recipe.Tokenizer.Vocabulary + 15) / 16 * 16,
            TokenizerKind.Bytes => 272,
            _ => AssumedCharacters,
        };
        return (recipe.Model with { Vocabulary = vocabulary, MaxContext = Math.Max(recipe.Model.MaxContext, new Schedule(recipe).LongestContext) }).Resolved();
    }

    /// <summary>Describes a valid shape whose vocabulary is known.</summary>
    public static ModelReport Of(ModelShape shape)
    {
        var layout = new ParameterLayout(shape);
        shape = layout.Shape;
        (string Part, Func<string, bool> Holds)[] parts =
        [
            ("token_embedding", name => name.StartsWith("token_embedding.", StringComparison.Ordinal)),
            ("position_embedding", name => name.StartsWith("position_embedding.", StringComparison.Ordinal)),
            ("attention", name => name.Contains(".attention.", StringComparison.Ordinal)),
            ("feed_forward", name => name.Contains(".feed_forward.", StringComparison.Ordinal)),
            ("norms", name => name.Contains("_norm.", StringComparison.Ordinal)),
            ("head", name => name.StartsWith("head.", StringComparison.Ordinal)),
        ];
        var total = layout.ParameterCount;
        var counts = parts.Select(part => (part.Part, Count: layout.Parameters.Where(parameter => part.Holds(parameter.Name)).Sum(parameter => parameter.Count))).ToList();
        var tables = counts.Where(part => part.Part is "token_embedding" or "position_embedding" or "head").Sum(part => part.Count);
        long kv = 2L * shape.Layers * shape.KvHeads * shape.HeadSize;
        long parameters = ModelFlops.OfParameters(shape), head = ModelFlops.OfHead(shape), attention = ModelFlops.OfAttention(shape, shape.Context);
        return new ModelReport
        {
            Shape = shape,
            Parts = [.. counts.Where(part => part.Count > 0).Select(part => new ModelPart(part.Part, part.Count, (double)part.Count / total))],
            Parameters = total,
            NonEmbeddingParameters = total - tables,
            BytesFp32 = 4 * total,
            BytesBf16 = 2 * total,
            TrainingBytes = 16 * total,
            Context = shape.Context,
            FlopsPerTokenParameters = parameters,
            FlopsPerTokenHead = head,
            FlopsPerTokenAttention = attention,
            FlopsPerToken = parameters + head + attention,
            KvCacheBytesPerTokenFp32 = 4 * kv,
            KvCacheBytesPerTokenBf16 = 2 * kv,
        };
    }
}
