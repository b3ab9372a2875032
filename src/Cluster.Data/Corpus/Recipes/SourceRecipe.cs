using System.Text.Json.Serialization;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Crawl;
using Cluster.Data.Corpus.Sources.Files;
using Cluster.Data.Corpus.Sources.Git;
using Cluster.Data.Corpus.Sources.Synthetic;
using Cluster.Data.Corpus.Sources.Web;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>A source of a corpus: <c>kind</c> says which, the rest where and what is known of its texts.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind", UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FailSerialization)]
[JsonDerivedType(typeof(FolderRecipe), "folder")]
[JsonDerivedType(typeof(ReferenceRecipe), "dotnet_reference")]
[JsonDerivedType(typeof(HttpRecipe), "http")]
[JsonDerivedType(typeof(HuggingFaceRecipe), "hugging_face")]
[JsonDerivedType(typeof(CrawlRecipe), "crawl")]
[JsonDerivedType(typeof(GitRecipe), "git")]
[JsonDerivedType(typeof(ArchiveRecipe), "archive")]
[JsonDerivedType(typeof(TemplateRecipe), "synthetic_templates")]
[JsonDerivedType(typeof(ModelTextRecipe), "synthetic_model")]
public abstract record SourceRecipe
{
    /// <summary>Names the source in ids, reports and the mix: 1 to 64 letters, digits, '-', '_' or '.', unlike the others.</summary>
    public string Name { get; init; } = "";

    /// <summary>SPDX identifier of texts that do not say it themselves.</summary>
    public string? License { get; init; }

    /// <summary>ISO 639-1 code of texts that do not say it themselves.</summary>
    public string? Language { get; init; }

    /// <summary>Author of texts that do not say it themselves.</summary>
    public string? Author { get; init; }

    /// <summary>How much the mix wants its texts to count, above 0 to 1,000.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Fields of records that may hold the text, the first that is there counts.</summary>
    public IReadOnlyList<string> TextFields { get; init; } = ["text", "content"];

    /// <summary>Checks every field.</summary>
    /// <exception cref="UserErrorException">A field is out of range; the message names it.</exception>
    internal virtual void Validate()
    {
        if (Name.Length is < 1 or > 64 || !Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') || Name.All(c => c == '.'))
            throw new UserErrorException($"A source has the name \"{Name}\".", "Give 1 to 64 letters, digits, '-', '_' or '.'.");
        if (!(Weight is > 0 and <= 1_000))
            throw new UserErrorException(FormattableString.Invariant($"{Field("weight")} is {Weight}."), "Give a number above 0 and at most 1000.");
        if (TextFields.Count == 0)
            throw new UserErrorException($"{Field("text_fields")} is empty.", "Give at least one name.");
    }

    internal string Field(string field) => $"sources[{Name}].{field}";

    internal void Require(string field, string? value)
    {
        if (string.IsNullOrWhiteSpace(value))
            throw new UserErrorException($"{Field(field)} is missing.", "Give it.");
    }

    internal FileReading Reading(ReadLimits limits) => new(
        Name, new DocumentMetadata { Dataset = Name, License = License, Language = Language, Author = Author, Weight = Weight }, TextFields, limits)
    {
        PlainEndings = PlainEndings(),
    };

    internal abstract ICorpusSource Open(SourceSurroundings around);

    private protected virtual IReadOnlyCollection<string> PlainEndings() => [];
}

/// <summary>What sources need of the program around them.</summary>
/// <param name="Seed">The recipe's.</param>
/// <param name="Limits">The recipe's.</param>
/// <param name="Http">Follows redirects, does not decompress.</param>
/// <param name="CrawlHttp">Does not follow redirects.</param>
/// <param name="Time">Clocks pauses.</param>
internal sealed record SourceSurroundings(ulong Seed, ReadLimits Limits, HttpClient Http, HttpClient CrawlHttp, TimeProvider Time);

/// <summary>A folder or file of this machine.</summary>
public sealed record FolderRecipe : SourceRecipe
{
    /// <summary>The folder or file.</summary>
    public string Path { get; init; } = "";

    internal override void Validate()
    {
        base.Validate();
        Require("path", Path);
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new FolderCorpusSource(Path, Reading(around.Limits));
}

/// <summary>The reference documentation of the .NET SDK.</summary>
public sealed record ReferenceRecipe : SourceRecipe
{
    /// <summary>Folder of an SDK; null finds the one in use.</summary>
    public string? Root { get; init; }

    /// <summary>Assemblies to read; null reads all.</summary>
    public IReadOnlyList<string>? Assemblies { get; init; }

    internal override ICorpusSource Open(SourceSurroundings around) => new ReferenceCorpusSource(Root, Assemblies);
}

/// <summary>Sources that are fetched over HTTP: how patient they are.</summary>
public abstract record RemoteRecipe : SourceRecipe
{
    /// <summary>Times a file is asked for, 1 to 100.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>Longest silence of a server in seconds, above 0 to 3,600.</summary>
    public double StallSeconds { get; init; } = 30;

    /// <summary>Most bytes of a file, or of what an archive holds, at least 1.</summary>
    public long MaximumBytes { get; init; } = 64L << 30;

    internal override void Validate()
    {
        base.Validate();
        if (Attempts is < 1 or > 100)
            throw new UserErrorException($"{Field("attempts")} is {Attempts}.", "Give a whole number from 1 to 100.");
        if (!(StallSeconds is > 0 and <= 3_600))
            throw new UserErrorException(FormattableString.Invariant($"{Field("stall_seconds")} is {StallSeconds}."), "Give a number above 0 and at most 3600.");
        if (MaximumBytes < 1)
            throw new UserErrorException($"{Field("maximum_bytes")} is {MaximumBytes}.", "Give at least 1.");
    }

    private protected DownloadOptions Patience => new() { Attempts = Attempts, Stall = TimeSpan.FromSeconds(StallSeconds), MaximumBytes = MaximumBytes };
}

/// <summary>Files of a public server.</summary>
public sealed record HttpRecipe : RemoteRecipe
{
    /// <summary>What to fetch, at least one.</summary>
    public IReadOnlyList<RemoteFile> Files { get; init; } = [];

    internal override void Validate()
    {
        base.Validate();
        if (Files.Count == 0)
            throw new UserErrorException($"{Field("files")} is empty.", "Give at least one address.");
    }

    internal override ICorpusSource Open(SourceSurroundings around) =>
        new DownloadCorpusSource($"{Files.Count} file(s) from {Files[0].Url}", Files, Patience, new Download(around.Http, around.Time));
}

/// <summary>Files of a data set of the Hugging Face hub, or of a mirror of it.</summary>
public sealed record HuggingFaceRecipe : RemoteRecipe
{
    /// <summary>Owner and name.</summary>
    public string Dataset { get; init; } = "";

    /// <summary>A commit, for a corpus that can be made again; or a branch.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>Paths within the data set, at least one.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>SHA-256 by file, for those that are known; the hub states them.</summary>
    public IReadOnlyDictionary<string, string> Sha256 { get; init; } = new Dictionary<string, string>();

    /// <summary>The hub.</summary>
    public string Endpoint { get; init; } = "https://huggingface.co";

    internal override void Validate()
    {
        base.Validate();
        Require("dataset", Dataset);
        if (Files.Count == 0)
            throw new UserErrorException($"{Field("files")} is empty.", "Give at least one path within the data set.");
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new DownloadCorpusSource(
        $"{Files.Count} file(s) of {Dataset} at {Revision}",
        [.. DownloadCorpusSource.HuggingFace(Endpoint, Dataset, Revision, Files).Select(file => file with { Sha256 = Sha256.GetValueOrDefault(file.Name!) })],
        Patience, new Download(around.Http, around.Time));
}

/// <summary>Pages of the web.</summary>
public sealed record CrawlRecipe : SourceRecipe
{
    /// <summary>Where and how far.</summary>
    public CrawlOptions Crawl { get; init; } = new();

    internal override void Validate()
    {
        base.Validate();
        Crawl.Validate(Field("crawl"));
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new CrawlCorpusSource(Name, Crawl, around.CrawlHttp, around.Time);
}

/// <summary>A git repository.</summary>
public sealed record GitRecipe : SourceRecipe
{
    /// <summary>Path or address.</summary>
    public string Repository { get; init; } = "";

    /// <summary>Branch or tag; null for the head.</summary>
    public string? Revision { get; init; }

    /// <summary>Endings of files read besides the usual ones, with the dot.</summary>
    public IReadOnlyList<string> Extensions { get; init; } = [];

    /// <summary>SPDX identifiers of licences that are allowed; empty allows all, known or not.</summary>
    public IReadOnlyList<string> AllowedLicenses { get; init; } = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Zlib", "Unlicense", "CC0-1.0", "CC-BY-4.0"];

    internal override void Validate()
    {
        base.Validate();
        Require("repository", Repository);
        if (Extensions.FirstOrDefault(extension => !extension.StartsWith('.')) is { } wrong)
            throw new UserErrorException($"{Field("extensions")} has \"{wrong}\".", "Give endings with their dot, such as \".cs\".");
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new GitCorpusSource(Repository, Revision, AllowedLicenses, Reading(around.Limits));

    private protected override IReadOnlyCollection<string> PlainEndings() => Extensions;
}

/// <summary>An archive with a declared licence.</summary>
public sealed record ArchiveRecipe : RemoteRecipe
{
    /// <summary>Path or address of a .zip, .tar, .tar.gz, .tgz or .tar.zst.</summary>
    public string Archive { get; init; } = "";

    /// <summary>What the archive must be, if it is fetched.</summary>
    public string? Sha256 { get; init; }

    internal override void Validate()
    {
        base.Validate();
        Require("archive", Archive);
        Require("license", License);
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new ArchiveCorpusSource(
        Archive, Sha256, MaximumBytes, Reading(around.Limits), new Download(around.Http, around.Time), Patience);
}

/// <summary>Texts from templates.</summary>
public sealed record TemplateRecipe : SourceRecipe
{
    /// <summary>Texts with slots in braces, at least one.</summary>
    public IReadOnlyList<string> Templates { get; init; } = [];

    /// <summary>Values by slot.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Values { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Texts, 1 to 100,000,000.</summary>
    public int Count { get; init; } = 1_000;

    internal override void Validate()
    {
        base.Validate();
        if (Templates.Count == 0)
            throw new UserErrorException($"{Field("templates")} is empty.", "Give at least one.");
        if (Count is < 1 or > 100_000_000)
            throw new UserErrorException($"{Field("count")} is {Count}.", "Give a whole number from 1 to 100000000.");
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new TemplateCorpusSource(Templates, Values, Count, around.Seed, StableHash.Hash64(Name));
}

/// <summary>Texts that a model writes.</summary>
public sealed record ModelTextRecipe : SourceRecipe
{
    /// <summary>Where, which and how many.</summary>
    public ModelTextOptions Request { get; init; } = new();

    internal override void Validate()
    {
        base.Validate();
        Require("request.endpoint", Request.Endpoint);
        Require("request.model", Request.Model);
        if (Request.Prompts.Count == 0)
            throw new UserErrorException($"{Field("request.prompts")} is empty.", "Give at least one.");
        if (Request.Count is < 1 or > 100_000_000)
            throw new UserErrorException($"{Field("request.count")} is {Request.Count}.", "Give a whole number from 1 to 100000000.");
        if (!(Request.Temperature is >= 0 and <= 2))
            throw new UserErrorException(FormattableString.Invariant($"{Field("request.temperature")} is {Request.Temperature}."), "Give a number from 0 to 2.");
        if (Request.MaximumTokens is < 1 or > 1_000_000)
            throw new UserErrorException($"{Field("request.maximum_tokens")} is {Request.MaximumTokens}.", "Give a whole number from 1 to 1000000.");
    }

    internal override ICorpusSource Open(SourceSurroundings around) => new ModelCorpusSource(Name, Request, around.Seed, around.Http, around.Time);
}
