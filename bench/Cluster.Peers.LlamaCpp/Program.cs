using System.CommandLine;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Inference.Quantization;
using Cluster.Peers.LlamaCpp;

var llama = new Option<string>("--llama") { Description = "Folder with llama.cpp's libraries.", HelpName = "DIR", Required = true };
var cpu = new Option<string?>("--cpu")
{
    Description = "Which libggml-cpu-NAME of several; else the one that llama.cpp takes.",
    HelpName = "NAME",
};
var shapes = new Option<string[]>("--shape")
{
    Description = "S (6 × 256, vocabulary 8,192), M (12 × 768, vocabulary 50,304).",
    HelpName = "S|M",
    DefaultValueFactory = _ => ["S", "M"],
    AllowMultipleArgumentsPerToken = true,
};
var precisions = new Option<string[]>("--precision")
{
    Description = string.Join(", ", PeerBenchmark.Precisions) + ".",
    HelpName = "FORMAT",
    DefaultValueFactory = _ => ["fp32", "bf16", "int8"],
    AllowMultipleArgumentsPerToken = true,
};
var cache = new Option<string>("--kv")
{
    Description = "Our keys and values beside quantised weights: fp32, bf16 or int8; with int8 llama.cpp may have its own in q8_0.",
    HelpName = "FORMAT",
    DefaultValueFactory = _ => "fp32",
};
var batches = new Option<int[]>("--batch")
{
    Description = "Sequences at once.",
    HelpName = "N",
    DefaultValueFactory = _ => [1],
    AllowMultipleArgumentsPerToken = true,
};
var threads = new Option<int>("--threads")
{
    Description = "Threads that compute.",
    HelpName = "T",
    DefaultValueFactory = _ => Environment.ProcessorCount,
};
var rounds = new Option<int>("--rounds") { Description = "Rounds of either program.", HelpName = "N", DefaultValueFactory = _ => 21 };
var mapped = new Option<bool>("--mmap") { Description = "llama.cpp maps the model's file instead of copying it." };
var json = new Option<bool>("--json") { Description = "One document a line." };
var command = new RootCommand("Decode and prefill of the managed backend and of llama.cpp, in turn in one process.")
{
    llama, cpu, shapes, precisions, cache, batches, threads, rounds, mapped, json,
};
command.SetAction((parsed, cancellation) => Task.Run(() => Compare(parsed, cancellation), cancellation));
return await command.Parse(args).InvokeAsync();

int Compare(ParseResult parsed, CancellationToken cancellation)
{
    try
    {
        Check("--batch", parsed.GetRequiredValue(batches));
        Check("--threads", parsed.GetValue(threads));
        Check("--rounds", parsed.GetValue(rounds));

        var library = new LlamaLibrary(parsed.GetRequiredValue(llama), parsed.GetValue(cpu));
        if (!parsed.GetValue(json))
            Console.WriteLine($"llama.cpp computes by {Path.GetFileName(library.Kernels)}: {library.SystemInfo}");
        var folder = Directory.CreateTempSubdirectory("cluster-peers-").FullName;
        try
        {
            foreach (var shape in parsed.GetRequiredValue(shapes))
            {
                foreach (var batch in parsed.GetRequiredValue(batches))
                {
                    foreach (var precision in parsed.GetRequiredValue(precisions))
                    {
                        var result = PeerBenchmark.Run(
                            library, shape, precision, CacheFormats.Parse("--kv", parsed.GetRequiredValue(cache)), batch,
                            parsed.GetValue(threads), parsed.GetValue(rounds), parsed.GetValue(mapped), folder, cancellation);
                        Print(result, Path.GetFileName(library.Kernels), parsed.GetValue(json));
                    }
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;
    }
    catch (UserErrorException e)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
}

static void Check(string name, params int[] values)
{
    if (Array.Exists(values, value => value is < 1 or > 256))
        throw new UserErrorException($"{name} is {string.Join(", ", values)}.", "Give whole numbers from 1 to 256.");
}

static void Print(PeerResult result, string kernels, bool json)
{
    if (json)
    {
        var names = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
        Console.WriteLine(JsonSerializer.Serialize(new { kernels, result }, names));
        return;
    }

    var best = Math.Round(result.Ours.Best / result.Theirs.Best, 3);
    Console.WriteLine(FormattableString.Invariant($"""

        shape {result.Shape}, batch {result.Batch}, {result.Threads} threads, {result.Rounds} rounds; llama.cpp with {result.Settings}
                                  {result.Ours.Format,16} {result.Theirs.Format,16}
        decode, tokens/s, median  {result.Ours.TokensPerSecond,16} {result.Theirs.TokensPerSecond,16}
        best of each step         {result.Ours.Best,16} {result.Theirs.Best,16}
        MB of matrices a step     {result.Ours.MatrixMegabytes,16} {result.Theirs.MatrixMegabytes,16}
        MB of cache a step        {result.Ours.CacheMegabytes,16} {result.Theirs.CacheMegabytes,16}
        share of reading          {result.Ours.ReadShare,16} {result.Theirs.ReadShare,16}    of {result.ReadGigabytesPerSecond} GB/s
        whole prompt, tokens/s    {result.Ours.PrefillTokensPerSecond,16} {result.Theirs.PrefillTokensPerSecond,16}
        ours over llama.cpp's     {result.Ratio} of medians, {best} of best steps
        of each round             {result.MedianRatio} median, {result.LowestRatio} to {result.HighestRatio}
        logits differ by {result.LargestDifference} at most, the largest is {result.LargestLogit}
        """));
}
