using System.CommandLine;
using System.Text;
using Cluster.Cli.Hosting;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Verbs;

/// <summary><c>tokenizer encode</c>: text to ids, byte for byte.</summary>
public static class TokenizerEncodeVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var file = Options.Tokenizer();
        var text = new Option<string?>("--text") { Description = "The text; standard input, to its last byte, if not given.", HelpName = "S" };
        var allow = new Option<bool>("--allow-special") { Description = "Turn the spelling of a special token, such as <|user|>, into that token." };
        var command = new Command("encode", "Print the ids of a text as a JSON array.") { file, text, allow };
        command.SetAction(parsed =>
        {
            var tokenizer = TokenizerFile.Load(parsed.GetRequiredValue(file));
            var special = parsed.GetValue(allow);
            int[] ids;
            if (parsed.GetValue(text) is { } given)
            {
                ids = tokenizer.Encode(given, special);
            }
            else
            {
                var bytes = ReadAll(environment.Input);
                // Bytes that are no text have ids all the same; only the search for spellings needs text.
                ids = special ? tokenizer.Encode(Encoding.UTF8.GetString(bytes), allowSpecial: true) : tokenizer.EncodeBytes(bytes);
            }

            environment.Output.WriteLine($"[{string.Join(',', ids)}]");
        });
        return command;
    }

    internal static byte[] ReadAll(Stream stream)
    {
        using var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }
}
