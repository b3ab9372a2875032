using System.Runtime.CompilerServices;
using Cluster.Core.Runs;
using Cluster.Data.Dialogues;
using Cluster.Inference.Sampling;
using Cluster.Silo.Inference;

namespace Cluster.Cli.Chat;

/// <summary>A run's model as a chat's other side.</summary>
/// <param name="model">Owned: it lives as long as the chat.</param>
/// <param name="options">How replies are drawn.</param>
public sealed class RunChat(RunModel model, GenerationOptions options) : IChatModel, IDisposable
{
    /// <summary>Opens the run's newest checkpoint.</summary>
    /// <exception cref="Core.Errors.UserErrorException">There is no run, or it has no intact checkpoint.</exception>
    public static RunChat Open(RunFolder folder, GenerationOptions options, Action<string> warn, string? quantized = null) =>
        new(RunModel.Open(folder, warn, quantized: quantized), options);

    /// <inheritdoc/>
    public async IAsyncEnumerable<string> ReplyAsync(IReadOnlyList<ChatMessage> messages, [EnumeratorCancellation] CancellationToken ct)
    {
        var reply = model.Reply(messages, options, ct);
        using var tokens = reply.GetEnumerator();
        // A token is computed off the console's thread, so that Ctrl-C and the terminal are served meanwhile.
        while (await Task.Run(tokens.MoveNext, CancellationToken.None))
        {
            if (tokens.Current.Text.Length > 0)
                yield return tokens.Current.Text;
        }

        ct.ThrowIfCancellationRequested();
    }

    /// <inheritdoc/>
    public void Dispose() => model.Dispose();
}
