// Enters: lines of a person, pieces of a model's reply. Leaves: a conversation on a writer. Does not know: the model, its context.

using System.Text;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Data.Dialogues;

namespace Cluster.Cli.Chat;

/// <summary>
/// A chat line by line. <c>/help</c>, <c>/clear</c> and <c>/exit</c> are commands; the end of input leaves. Ctrl-C stops a reply, and
/// what was said of it stays; pressed again, or twice at the prompt, it leaves.
/// </summary>
/// <param name="model">Answers.</param>
/// <param name="input">The person's lines.</param>
/// <param name="output">Where replies go.</param>
/// <param name="interrupts">Ctrl-C.</param>
/// <param name="prompts">Whether to write "&gt; " and hints: off for input that nobody types.</param>
public sealed class ChatConsole(IChatModel model, TextReader input, TextWriter output, Interrupts interrupts, bool prompts)
{
    private readonly List<ChatMessage> _messages = [];

    /// <summary>The turns that the model has seen and made.</summary>
    public IReadOnlyList<ChatMessage> Messages => _messages;

    /// <summary>Talks until the person leaves.</summary>
    /// <returns>0.</returns>
    /// <exception cref="OperationCanceledException">Ctrl-C twice.</exception>
    public async Task<int> RunAsync()
    {
        if (prompts)
            await output.WriteLineAsync("Ask something. /help lists commands.");
        while (await ReadAsync() is { } line)
        {
            line = line.Trim();
            switch (line)
            {
                case "":
                    break;
                case "/exit" or "/quit":
                    return 0;
                case "/clear":
                    _messages.Clear();
                    await output.WriteLineAsync("The conversation begins anew.");
                    break;
                case "/help":
                    await output.WriteLineAsync("/clear forgets the conversation, /exit leaves, Ctrl-C stops a reply.");
                    break;
                default:
                    if (line[0] == '/')
                        await output.WriteLineAsync($"There is no command {PlainText.OneLine(line.Split(' ')[0])}. /help lists them.");
                    else
                        await AnswerAsync(line);
                    break;
            }
        }

        if (prompts)
            await output.WriteLineAsync();
        return 0;
    }

    private async Task<string?> ReadAsync()
    {
        if (prompts)
            await output.WriteAsync("> ");
        await output.FlushAsync();
        var warned = false;
        using var _ = interrupts.Handle(() =>
        {
            if (warned)
                return false;
            warned = true;
            output.WriteLine();
            output.Write("Ctrl-C again, or /exit, leaves.\n> ");
            output.Flush();
            return true;
        });
        // Reading a line cannot be called off; a thread that waits for one does not keep the process.
        return await Task.Run(input.ReadLine).WaitAsync(interrupts.Token);
    }

    private async Task AnswerAsync(string question)
    {
        _messages.Add(new ChatMessage(ChatRole.User, question));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupts.Token);
        using var _ = interrupts.Handle(() =>
        {
            if (stop.IsCancellationRequested)
                return false;
            stop.Cancel();
            return true;
        });
        var reply = new StringBuilder();
        try
        {
            var held = "";
            await foreach (var piece in model.ReplyAsync(_messages, stop.Token))
            {
                reply.Append(piece);
                // A piece may end inside a surrogate pair or between CR and LF.
                held += piece;
                var whole = held.Length > 0 && (char.IsHighSurrogate(held[^1]) || held[^1] == '\r') ? held.Length - 1 : held.Length;
                await output.WriteAsync(PlainText.Clean(held[..whole]));
                await output.FlushAsync();
                held = held[whole..];
                // A model that does not look at the token is stopped between pieces all the same.
                stop.Token.ThrowIfCancellationRequested();
            }

            await output.WriteLineAsync(PlainText.Clean(held));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !interrupts.Token.IsCancellationRequested)
        {
            await output.WriteLineAsync(" … (stopped)");
        }
        catch (UserErrorException error)
        {
            reply.Clear();
            await output.WriteLineAsync(PlainText.OneLine(error.Message));
        }

        if (reply.Length > 0)
            _messages.Add(new ChatMessage(ChatRole.Assistant, reply.ToString()));
        else
            _messages.RemoveAt(_messages.Count - 1);
    }
}
