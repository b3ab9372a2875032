// One of many clients of the serving benchmark. Enters: requests. Leaves: answers read as a stream, with the times of their tokens.
// Does not know: the cluster behind the address, other clients.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cluster.Cli.Benchmarks;

/// <summary>What came of a request.</summary>
/// <param name="Request">What was asked.</param>
/// <param name="Text">The reply as far as it came.</param>
/// <param name="Finish">Why it ended; null if it did not come to its end.</param>
/// <param name="Error">What went wrong; null if nothing did.</param>
/// <param name="PromptTokens">As the server counts.</param>
/// <param name="ReplyTokens">As the server counts.</param>
/// <param name="FirstToken">Seconds to the first piece of text, or to the end where there was none.</param>
/// <param name="Between">Seconds from each piece to the next.</param>
/// <param name="Whole">Seconds to the end.</param>
/// <param name="Begun">Stopwatch's time when it was sent.</param>
internal sealed record ServeAnswer(
    ServeRequest Request, string Text, string? Finish, string? Error, int PromptTokens, int ReplyTokens, double FirstToken, IReadOnlyList<double> Between,
    double Whole, long Begun);

/// <summary>Asks one thing after the other until the time is over; what was begun is read to its end.</summary>
internal sealed class ServeClient(HttpClient http, string model, int number, ServePrompts prompts)
{
    private const string Data = "data: ", Done = "[DONE]";

    /// <summary>Answers, those with errors included.</summary>
    public List<ServeAnswer> Answers { get; } = [];

    /// <summary>How often the server had no room in its queue, and said so: such a request is not accepted, and asked again.</summary>
    public int TurnedAway { get; private set; }

    /// <param name="over">Whether no further request is to be sent.</param>
    /// <param name="cancellation">Gives up all at once.</param>
    public async Task RunAsync(Func<bool> over, CancellationToken cancellation)
    {
        for (var i = 0; !over(); i++)
        {
            var request = prompts.Of(number, i);
            ServeAnswer? answer;
            while ((answer = await AskAsync(request, cancellation)) is null && !over())
            {
                TurnedAway++;
                await Task.Delay(TimeSpan.FromMilliseconds(200), cancellation);
            }

            if (answer is not null)
                Answers.Add(answer);
        }
    }

    /// <summary>Asks; null if the server had no room.</summary>
    public async Task<ServeAnswer?> AskAsync(ServeRequest request, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        var between = new List<double>();
        var (begun, last) = (Stopwatch.GetTimestamp(), 0L);
        double? first = null;
        string? finish = null, error = null;
        var (ended, promptTokens, replyTokens) = (false, 0, 0);
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
            {
                Content = JsonContent.Create(new JsonObject
                {
                    ["model"] = model,
                    ["prompt"] = request.Prompt,
                    ["max_tokens"] = request.MaxTokens,
                    ["temperature"] = request.Temperature,
                    ["seed"] = request.Seed,
                    ["stream"] = true,
                    ["stream_options"] = new JsonObject { ["include_usage"] = true },
                }),
            };
            using var response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation);
            if (response.StatusCode == HttpStatusCode.TooManyRequests)
                return null;
            if (response.StatusCode != HttpStatusCode.OK)
            {
                error = $"status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellation)}";
            }
            else
            {
                using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellation));
                while (await reader.ReadLineAsync(cancellation) is { } line)
                {
                    if (line.StartsWith(Data, StringComparison.Ordinal))
                        Take(line[Data.Length..]);
                }
            }
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or JsonException or TaskCanceledException && !cancellation.IsCancellationRequested)
        {
            error = failure.Message;
        }

        if (error is null && (!ended || finish is null))
            error = "the stream ended before the reply did";
        var whole = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return new ServeAnswer(request, text.ToString(), finish, error, promptTokens, replyTokens, first ?? whole, between, whole, begun);

        void Take(string data)
        {
            if (data == Done)
            {
                ended = true;
                return;
            }

            using var chunk = JsonDocument.Parse(data);
            if (chunk.RootElement.TryGetProperty("error", out var failed))
            {
                error = failed.GetRawText();
                return;
            }

            if (chunk.RootElement.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
                (promptTokens, replyTokens) = (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32());
            foreach (var choice in chunk.RootElement.GetProperty("choices").EnumerateArray())
            {
                finish = choice.GetProperty("finish_reason").GetString() ?? finish;
                var piece = choice.GetProperty("text").GetString()!;
                if (piece.Length == 0)
                    continue;
                text.Append(piece);
                var now = Stopwatch.GetTimestamp();
                if (first is null)
                    first = Stopwatch.GetElapsedTime(begun, now).TotalSeconds;
                else
                    between.Add(Stopwatch.GetElapsedTime(last, now).TotalSeconds);
                last = now;
            }
        }
    }
}
