using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Cluster.Data.Corpus.Sources.Web;

namespace Cluster.Data.Corpus.Sources.Synthetic;

/// <summary>What a model is asked for.</summary>
public sealed record ModelTextOptions
{
    /// <summary>Where an API like OpenAI's answers: <c>http://127.0.0.1:8080/v1</c>.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>The model's name there.</summary>
    public string Model { get; init; } = "";

    /// <summary>What it is asked; the n-th text answers the prompt n modulo their number.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>Texts, 1 to 100,000,000.</summary>
    public int Count { get; init; } = 100;

    /// <summary>Sampling temperature, 0 to 2.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Tokens of a text at most, 1 to 1,000,000.</summary>
    public int MaximumTokens { get; init; } = 512;

    /// <summary>Name of the environment variable that holds the key, if the API asks for one.</summary>
    public string? KeyVariable { get; init; }
}

/// <summary>
/// Texts that a model writes, through the cluster's own inference API or another of that kind. The n-th request carries a seed that is a
/// function of the recipe's seed and n, so that a server which honours seeds gives the same texts again; in any case what came is kept.
/// </summary>
internal sealed class ModelCorpusSource(string dataset, ModelTextOptions options, ulong seed, HttpClient http, TimeProvider time) : ICorpusSource
{
    private const int Attempts = 3;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public string Description => $"{options.Count} texts by {options.Model} at {options.Endpoint}";

    /// <inheritdoc/>
    public async Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return complete;
        var failures = new List<ReadFailure>();
        using var writer = new RecordWriter(store.PathOf("00000.jsonl.zst"));
        for (var i = 0; i < options.Count; i++)
        {
            var prompt = options.Prompts[i % options.Prompts.Count];
            var (text, reason, detail) = await AskAsync(prompt, i, cancellation);
            if (text is null)
            {
                failures.Add(new ReadFailure(string.Create(CultureInfo.InvariantCulture, $"{dataset}/{i}"), reason!, detail!, 0));
                continue;
            }

            var url = string.Create(CultureInfo.InvariantCulture, $"{options.Endpoint.TrimEnd('/')}/chat/completions#{options.Model}/{i}");
            writer.Add(json =>
            {
                json.WriteString("text", text);
                json.WriteString("url", url);
                json.WriteString("author", options.Model);
                json.WriteString("prompt", prompt);
            });
        }

        var bytes = writer.Bytes;
        return store.Save([new SourceFile("00000.jsonl.zst", bytes) { Sha256 = writer.Complete() }], failures);
    }

    private async Task<(string? Text, string? Reason, string? Detail)> AskAsync(string prompt, int number, CancellationToken cancellation)
    {
        var (reason, detail) = ("", "");
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (attempt > 0)
                await Task.Delay(TimeSpan.FromSeconds(attempt), time, cancellation);
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, options.Endpoint.TrimEnd('/') + "/chat/completions")
                {
                    Content = JsonContent.Create(new
                    {
                        model = options.Model,
                        messages = new[] { new { role = "user", content = prompt } },
                        temperature = options.Temperature,
                        max_tokens = options.MaximumTokens,
                        // Servers take signed numbers of 32 bits.
                        seed = (int)(StableHash.Hash64(string.Create(CultureInfo.InvariantCulture, $"model:{seed}:{number}")) & int.MaxValue),
                    }),
                };
                if (options.KeyVariable is { } variable && Environment.GetEnvironmentVariable(variable) is { Length: > 0 } key)
                    request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
                using var response = await Stall.WithinAsync(token => http.SendAsync(request, token), s_patience, time, cancellation);
                if (!response.IsSuccessStatusCode)
                {
                    (reason, detail) = ("refused", string.Create(CultureInfo.InvariantCulture, $"{options.Endpoint} answers {(int)response.StatusCode} to text {number}."));
                    continue;
                }

                using var body = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(cancellation), default, cancellation);
                var text = body.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
                if (!string.IsNullOrWhiteSpace(text))
                    return (text, null, null);
                (reason, detail) = ("empty_text", string.Create(CultureInfo.InvariantCulture, $"{options.Endpoint} wrote nothing for text {number}."));
            }
            catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException)
            {
                (reason, detail) = ("unreachable", $"{options.Endpoint}: {error.Message}");
            }
            catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
            {
                (reason, detail) = ("strange_answer", $"{options.Endpoint}: {error.Message}");
            }
        }

        return (null, reason, detail);
    }
}
