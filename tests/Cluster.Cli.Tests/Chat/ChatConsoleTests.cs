using Cluster.Cli.Chat;
using Cluster.Cli.Hosting;
using Cluster.Core.Errors;

namespace Cluster.Cli.Tests.Chat;

public sealed class ChatConsoleTests : IDisposable
{
    private readonly List<int> _exits = [];
    private readonly Interrupts _interrupts;
    private readonly StringWriter _output = new();

    public ChatConsoleTests() => _interrupts = new Interrupts(_exits.Add);

    public void Dispose() => _interrupts.Dispose();

    [Fact]
    public async Task Chat_Questions_ModelSeesTheConversation()
    {
        var model = new FakeChatModel(messages => ["reply ", $"{messages.Count}"]);
        Assert.Equal(0, await Console(model, "one\n\n  two  \n").RunAsync());
        Assert.Equal(["User:one", "User:one|Assistant:reply 1|User:two"], model.Seen);
        Assert.Equal("Ask something. /help lists commands.\n> reply 1\n> > reply 3\n> \n", _output.ToString());
    }

    [Fact]
    public async Task Chat_Clear_ForgetsAndExitLeaves()
    {
        var model = new FakeChatModel(_ => ["yes"]);
        Assert.Equal(0, await Console(model, "one\n/clear\ntwo\n/exit\nthree\n", prompts: false).RunAsync());
        Assert.Equal(["User:one", "User:two"], model.Seen);
        Assert.Equal("yes\nThe conversation begins anew.\nyes\n", _output.ToString());
    }

    [Fact]
    public async Task Chat_Commands_AreNotForTheModel()
    {
        var model = new FakeChatModel(_ => ["yes"]);
        await Console(model, "/help\n/hel\e[2J x\n", prompts: false).RunAsync();
        Assert.Empty(model.Seen);
        Assert.Equal("/clear forgets the conversation, /exit leaves, Ctrl-C stops a reply.\nThere is no command /hel\uFFFD[2J. /help lists them.\n", _output.ToString());
    }

    [Fact]
    public async Task Chat_HostilePieces_AreMadeHarmlessAcrossTheirBounds()
    {
        var smile = "🙂";
        var model = new FakeChatModel(_ => ["a\e[2J", smile[..1], smile[1..], "x\r", "\ny", smile[..1]]);
        var console = Console(model, "one\n", prompts: false);
        await console.RunAsync();
        Assert.Equal($"a\uFFFD[2J{smile}x\ny\uFFFD\n", _output.ToString());
    }

    [Fact]
    public async Task Chat_CtrlCInAReply_StopsItAndGoesOn()
    {
        var model = new FakeChatModel(messages => messages.Count == 1 ? Endless() : ["fine"]);
        var console = Console(model, "one\ntwo\n", prompts: false);
        Assert.Equal(0, await console.RunAsync());
        Assert.Equal("abc … (stopped)\nfine\n", _output.ToString());
        Assert.Equal("User:one|Assistant:abc|User:two", model.Seen[1]);
        Assert.Empty(_exits);

        IEnumerable<string> Endless()
        {
            yield return "ab";
            _interrupts.Press();
            while (true)
                yield return "c";
        }
    }

    [Fact]
    public async Task Chat_CtrlCTwiceInAReply_Leaves()
    {
        var model = new FakeChatModel(_ => Endless());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Console(model, "one\ntwo\n", prompts: false).RunAsync());
        Assert.Single(model.Seen);
        Assert.True(_interrupts.Token.IsCancellationRequested);

        IEnumerable<string> Endless()
        {
            _interrupts.Press();
            _interrupts.Press();
            while (true)
                yield return "c";
        }
    }

    [Fact]
    public async Task Chat_CtrlCAtThePrompt_WarnsThenLeaves()
    {
        using var silence = new ManualResetEventSlim();
        var chat = new ChatConsole(new FakeChatModel(_ => []), new SilentReader(silence), _output, _interrupts, prompts: true).RunAsync();
        _interrupts.Press();
        Assert.False(chat.IsCompleted);
        _interrupts.Press();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => chat);
        Assert.Equal("Ask something. /help lists commands.\n> \nCtrl-C again, or /exit, leaves.\n> ", _output.ToString());
        silence.Set();
    }

    [Fact]
    public async Task Chat_ModelRefuses_SaysWhyAndForgetsTheQuestion()
    {
        var model = new FakeChatModel(messages => messages[^1].Content == "long" ? throw new UserErrorException("It is too long.", "Ask less.") : ["yes"]);
        var console = Console(model, "long\nshort\n", prompts: false);
        await console.RunAsync();
        Assert.Equal("It is too long. Ask less.\nyes\n", _output.ToString());
        Assert.Equal("User:short", model.Seen[1]);
    }

    private ChatConsole Console(IChatModel model, string input, bool prompts = true) => new(model, new StringReader(input), _output, _interrupts, prompts);

    /// <summary>Nobody types.</summary>
    private sealed class SilentReader(ManualResetEventSlim end) : TextReader
    {
        public override string? ReadLine()
        {
            end.Wait();
            return null;
        }
    }
}
