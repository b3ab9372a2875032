using System.CommandLine;
using System.Text.Json;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Verbs;

/// <summary><c>tokenizer decode</c>: ids to text. A file or pipe gets the very bytes, a terminal gets them made harmless.</summary>
public static class TokenizerDecodeVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var file = Options.Tokenizer();
        var ids = new Argument<string[]>("ids")
        {
            Description = "The ids as a JSON array, such as [72,105]; standard input if not given.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var command = new Command("decode", "Print the text of ids.") { file, ids };
        command.SetAction(parsed =>
        {
            var tokenizer = TokenizerFile.Load(parsed.GetRequiredValue(file));
            // A shell splits an unquoted "[1, 2]" at its spaces.
            var json = parsed.GetValue(ids) is { Length: > 0 } given
                ? string.Join(' ', given)
                : System.Text.Encoding.UTF8.GetString(TokenizerEncodeVerb.ReadAll(environment.Input));
            var list = Ids(json);
            using var bytes = new MemoryStream();
            foreach (var id in list)
                bytes.Write(tokenizer.TokenBytes(id));
            if (environment.OutputIsTerminal)
            {
                environment.Output.WriteLine(PlainText.Clean(tokenizer.Decode(list)));
                return;
            }

            bytes.WriteTo(environment.OutputBytes);
            environment.OutputBytes.Flush();
        });
        return command;
    }

    private static int[] Ids(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<int[]>(json) ?? throw new JsonException();
        }
        catch (JsonException error)
        {
            throw new UserErrorException($"\"{PlainText.Short(json, 40)}\" is no JSON array of ids.", "Give whole numbers such as [72,105], as `tokenizer encode` prints them.", error);
        }
    }
}
