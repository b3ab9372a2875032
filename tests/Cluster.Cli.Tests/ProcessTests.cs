using System.Diagnostics;
using System.Text;
using Cluster.Cli.Hosting;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Tests;

/// <summary>The program as a process: exit codes, bytes and encodings as a shell sees them.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Process_EncodeThenDecode_BytesComeBack()
    {
        var file = _folder.In("tokenizer.json");
        TokenizerFile.Save(new BytePairTokenizer([new('L', 'O'), new(256, 'W')]), file);
        byte[] bytes = [.. "LOW é 🙂\n"u8, 0xFF, 0x00];
        var encoded = await RunAsync(bytes, "tokenizer", "encode", "--tokenizer", file);
        Assert.Equal("[257,32,195,169,32,240,159,153,130,10,255,0]\n", encoded.Output);
        var decoded = await RunAsync(encoded.OutputBytes, "tokenizer", "decode", "--tokenizer", file);
        Assert.Equal((0, ""), (decoded.Code, decoded.Error));
        Assert.Equal(bytes, decoded.OutputBytes);
    }

    [Fact]
    public async Task Process_UserErrorAndParseError_HaveTheirCodes()
    {
        Cli.AssertUserError(await RunAsync([], "tokenizer", "encode", "--tokenizer", _folder.In("none.json"), "--text", "x"), "none.json");
        Assert.Equal(2, (await RunAsync([], "tokenizer", "encode")).Code);
    }

    private async Task<CliResult> RunAsync(byte[] input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(CommandLine).Assembly.Location, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = _folder.Path,
        })!;
        using var output = new MemoryStream();
        var error = process.StandardError.ReadToEndAsync();
        var copy = process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.StandardInput.BaseStream.WriteAsync(input);
        process.StandardInput.Close();
        await Task.WhenAll(copy, error, process.WaitForExitAsync());
        return new CliResult(process.ExitCode, output.ToArray(), await error);
    }
}
