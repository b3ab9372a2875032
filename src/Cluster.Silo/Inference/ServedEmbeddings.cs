// Enters: texts, a run's tokenizer, an engine. Leaves: vectors of length 1, or a refusal that names the text. Does not know: grains.
using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Silo.Inference;

/// <summary>Texts as vectors: the mean of a text's hidden states out of the final norm, shortened if that is asked for, scaled to length 1.</summary>
internal static class ServedEmbeddings
{
    private const string Field = "input";

    // So many of a request's texts are in the engine's queue at a time, which others need too.
    private const int AtOnce = 8;

    /// <summary>The ids of the texts.</summary>
    /// <exception cref="InferenceException">A text is too long or holds an unknown id, or a vector has not so many values.</exception>
    public static int[][] Tokenize(EmbeddingRequest request, RunSource source)
    {
        int width = source.Recipe.Model.Width, most = source.Recipe.Model.MaxContext - 1;
        if (request.Dimensions is { } dimensions && (dimensions < 1 || dimensions > width))
        {
            throw new InferenceException(new Refusal(RefusalKind.BadRequest, "dimensions",
                FormattableString.Invariant($"dimensions is {dimensions}. Give a whole number from 1 to {width}.")));
        }

        int[][] texts = request.Tokens is { } tokens
            ? [.. tokens.Select(ids => ids.ToArray())]
            : [.. (request.Texts ?? []).Select(text => (int[])[source.Tokenizer.Special.BeginOfText, .. source.Tokenizer.Encode(text)])];
        for (var i = 0; i < texts.Length; i++)
        {
            var name = texts.Length == 1 ? Field : FormattableString.Invariant($"{Field}[{i}]");
            ServedRequest.CheckIds(texts[i], source, name);
            if (texts[i].Length == 0)
                throw new InferenceException(new Refusal(RefusalKind.BadRequest, name, $"{name} is a list without token ids. Give at least one."));
            if (texts[i].Length > most)
            {
                throw new InferenceException(new Refusal(RefusalKind.PromptTooLong, name,
                    FormattableString.Invariant($"{name} has {texts[i].Length} tokens. Give at most {most}.")));
            }
        }

        return texts;
    }

    /// <summary>The vectors of texts, in their order.</summary>
    /// <exception cref="InferenceException">The engine cannot take them, or their time is over.</exception>
    public static async Task<float[][]> ComputeAsync(EmbeddingRequest request, int[][] texts, InferenceEngine engine, CancellationToken cancellation)
    {
        var vectors = new float[texts.Length][];
        var under = new Queue<(int Place, EngineEmbedding Embedding)>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            for (var i = 0; i < texts.Length || under.Count > 0;)
            {
                if (i < texts.Length && under.Count < AtOnce)
                {
                    under.Enqueue((i, engine.Embed(texts[i], request.Timeout, stop.Token)));
                    i++;
                    continue;
                }

                var (place, embedding) = under.Dequeue();
                vectors[place] = UnitVector(await embedding.Mean, request.Dimensions);
            }

            return vectors;
        }
        catch (QueueFullException full)
        {
            throw new InferenceException(new Refusal(RefusalKind.QueueFull, null,
                FormattableString.Invariant($"{full.Waiting} requests are waiting and at most {full.Most} may. Try again later.")));
        }
        catch (TimeoutException)
        {
            throw new InferenceException(new Refusal(RefusalKind.Deadline, null, "The time that a request may take is over. Give fewer texts, or try again later."));
        }
        catch (UserErrorException error)
        {
            throw new InferenceException(new Refusal(RefusalKind.BadRequest, Field, error.Message));
        }
        catch (Exception error) when (error is EngineUnavailableException or OperationCanceledException)
        {
            // Another worker may do it: nothing of it is lost but time.
            throw new InferenceException(new Refusal(RefusalKind.Unavailable, null, "The model is not available now. Try again later."));
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    /// <summary>The first values, all if null, scaled to length 1; zeros stay zeros.</summary>
    internal static float[] UnitVector(float[] values, int? dimensions)
    {
        var kept = values.AsSpan(0, dimensions ?? values.Length).ToArray();
        var squares = 0.0;
        foreach (var value in kept)
            squares += (double)value * value;
        var length = Math.Sqrt(squares);
        return length == 0 ? kept : Array.ConvertAll(kept, value => (float)(value / length));
    }
}
