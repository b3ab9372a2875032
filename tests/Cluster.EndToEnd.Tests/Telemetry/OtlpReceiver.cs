using System.Net;
using System.Text;
using Cluster.ServiceDefaults;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>A span as it came.</summary>
internal sealed record ReceivedSpan(
    string Service, string Scope, string Trace, string Id, string Parent, string Name, IReadOnlyDictionary<string, string> Tags, IReadOnlyList<string> Links);

/// <summary>A collector: takes OTLP over HTTP in protobuf (opentelemetry-proto 1.x), as far as tests look at it.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _gate = new();
    private readonly List<ReceivedSpan> _spans = [];
    private readonly List<(string Service, string Text)> _logs = [];
    private readonly HashSet<string> _metrics = new(StringComparer.Ordinal);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OtlpReceiver(WebApplication app, Uri address) => (_app, Address) = (app, address);

    public Uri Address { get; }

    public IReadOnlyList<ReceivedSpan> Spans
    {
        get
        {
            lock (_gate)
                return [.. _spans];
        }
    }

    public IReadOnlyList<(string Service, string Text)> Logs
    {
        get
        {
            lock (_gate)
                return [.. _logs];
        }
    }

    public IReadOnlySet<string> Metrics
    {
        get
        {
            lock (_gate)
                return _metrics.ToHashSet(StringComparer.Ordinal);
        }
    }

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        var socket = HttpSocket.TakeFirstFree(IPAddress.Loopback, Enumerable.Range(Ports.Free(), 100))!;
        socket.Serve(builder.WebHost);
        builder.Services.AddRouting();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var receiver = new OtlpReceiver(builder.Build(), socket.Address);
        receiver._app.MapPost("/v1/traces", receiver.Take((body, service) =>
        {
            foreach (var scope in Parts(body, 2))
            {
                var name = Text(Part(Part(scope, 1), 1));
                foreach (var span in Parts(scope, 2))
                {
                    receiver._spans.Add(new ReceivedSpan(
                        service, name, Hex(Part(span, 1)), Hex(Part(span, 2)), Hex(Part(span, 4)), Text(Part(span, 5)), Tags(Parts(span, 9)),
                        [.. Parts(span, 13).Select(link => Hex(Part(link, 2)))]));
                }
            }
        }));
        receiver._app.MapPost("/v1/logs", receiver.Take((body, service) =>
            receiver._logs.AddRange(Parts(body, 2).SelectMany(scope => Parts(scope, 2)).Select(record => (service, Text(Part(Part(record, 5), 1)))))));
        receiver._app.MapPost("/v1/metrics", receiver.Take((body, _) =>
            receiver._metrics.UnionWith(Parts(body, 2).SelectMany(scope => Parts(scope, 2)).Select(metric => Text(Part(metric, 1))))));
        await receiver._app.StartAsync();
        return receiver;
    }

    /// <summary>Waits until what came is enough.</summary>
    public async Task<IReadOnlyList<ReceivedSpan>> WaitAsync(Func<IReadOnlyList<ReceivedSpan>, bool> isEnough)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            Task changed;
            lock (_gate)
                changed = _changed.Task;
            var spans = Spans;
            if (isEnough(spans))
                return spans;
            try
            {
                await changed.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail("These came: " + string.Join(", ", spans.GroupBy(span => $"{span.Service} {span.Name}").Select(group => $"{group.Key} × {group.Count()}")));
            }
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private RequestDelegate Take(Action<byte[], string> take) => async context =>
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        lock (_gate)
        {
            // Of a request: one part for each resource, which is a process.
            foreach (var resource in Parts(body.ToArray(), 1))
                take(resource, Tags(Parts(Part(resource, 1), 1)).GetValueOrDefault("service.name", ""));
            var changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
        }

        context.Response.ContentType = "application/x-protobuf";
    };

    private static Dictionary<string, string> Tags(IEnumerable<byte[]> pairs) => pairs.ToDictionary(pair => Text(Part(pair, 1)), pair => Value(Part(pair, 2)), StringComparer.Ordinal);

    /// <summary>An AnyValue: a text or a whole number.</summary>
    private static string Value(byte[] any) => Parts(any, 1).Select(Text).Concat(Numbers(any, 3).Select(number => $"{(long)number}")).FirstOrDefault("");

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Part(byte[] message, int field) => Parts(message, field).FirstOrDefault([]);

    private static IEnumerable<byte[]> Parts(byte[] message, int field) => Fields(message).Where(found => found.Field == field && found.Bytes is not null).Select(found => found.Bytes!);

    private static IEnumerable<ulong> Numbers(byte[] message, int field) => Fields(message).Where(found => found.Field == field && found.Bytes is null).Select(found => found.Number);

    /// <summary>Protocol buffers' wire format: a key (number × 8 + type), then a variable-length number, 8 bytes, a length and bytes, or 4 bytes.</summary>
    private static List<(int Field, ulong Number, byte[]? Bytes)> Fields(byte[] message)
    {
        var fields = new List<(int, ulong, byte[]?)>();
        var at = 0;
        while (at < message.Length)
        {
            var key = Variable();
            var field = (int)(key >> 3);
            switch (key & 7)
            {
                case 0:
                    fields.Add((field, Variable(), null));
                    break;
                case 1:
                    fields.Add((field, BitConverter.ToUInt64(message, at), null));
                    at += 8;
                    break;
                case 2:
                    var length = (int)Variable();
                    fields.Add((field, 0, message[at..(at + length)]));
                    at += length;
                    break;
                case 5:
                    fields.Add((field, BitConverter.ToUInt32(message, at), null));
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"wire type {key & 7}");
            }
        }

        return fields;

        ulong Variable()
        {
            ulong value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var next = message[at++];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                    return value;
            }
        }
    }
}
