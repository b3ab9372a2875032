using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Git;
using Cluster.Data.Corpus.Sources.Synthetic;
using Cluster.Data.Corpus.Sources.Web;

namespace Cluster.Data.Tests.Corpus.Sources;

public class OtherSourcesTests
{
    private const string Mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\nof this software ... "
        + "The above copyright notice and this permission\nnotice shall be included in all copies";

    [Fact]
    public async Task Acquire_GitRepository_CommittedFilesOfAllowedLicences()
    {
        using var folder = new TempFolder();
        var repository = Path.Combine(folder.Path, "repository");
        folder.Write("repository/LICENSE", Mit);
        folder.Write("repository/a.cs", "class A;");
        folder.Write("repository/README.md", "# Read me");
        folder.Write("repository/gpl/COPYING", "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007");
        folder.Write("repository/gpl/b.cs", "class B;");
        folder.Write("repository/gpl/own.cs", "// SPDX-License-Identifier: Apache-2.0\nclass C;");
        folder.Write("repository/odd/LICENSE.txt", "You may do with this as the author pleases.");
        folder.Write("repository/odd/d.cs", "class D;");
        folder.Write("repository/picture.png", "x");
        Git(repository, "init", "--quiet");
        Git(repository, "add", ".");
        Git(repository, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "one");
        folder.Write("repository/uncommitted.cs", "class E;");
        var source = new GitCorpusSource(repository, null, ["MIT", "Apache-2.0"], FileReadingTests.Reading() with { PlainEndings = [".cs"] });

        var snapshot = await source.AcquireAsync(Path.Combine(folder.Path, "out"));

        Assert.Equal(["README.md MIT", "a.cs MIT", "gpl/own.cs Apache-2.0"], snapshot.Files.Select(file => $"{file.Path} {file.License}"));
        Assert.Equal(["license_GPL-3.0 1", "license_unknown 1", "other_kind.png 1"], snapshot.PassedOver.Select(pair => $"{pair.Key} {pair.Value}"));
        await Assert.ThrowsAsync<UserErrorException>(() => new GitCorpusSource(Path.Combine(folder.Path, "none"), null, [], FileReadingTests.Reading()).AcquireAsync(Path.Combine(folder.Path, "x")));
    }

    [Theory]
    [InlineData("zip")]
    [InlineData("tar.gz")]
    public async Task Acquire_Archive_ItsTextsAndNothingOutside(string kind)
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "a." + kind);
        (string Name, string Text)[] entries = [("in/a.txt", "one"), ("../outside.txt", "bad"), ("b.bin", "x"), ("c.md", "two"), ("long.txt", new string('x', 5_000))];
        if (kind == "zip")
        {
            using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
            foreach (var (name, text) in entries)
            {
                using var writer = new StreamWriter(zip.CreateEntry(name).Open());
                writer.Write(text);
            }
        }
        else
        {
            using var tar = new TarWriter(new GZipStream(File.Create(path), CompressionLevel.Fastest));
            foreach (var (name, text) in entries)
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
        }

        using var http = new HttpClient();
        var source = new ArchiveCorpusSource(path, null, 4_000, FileReadingTests.Reading(), new Download(http, TimeProvider.System), DownloadOptions.Default);
        var snapshot = await source.AcquireAsync(Path.Combine(folder.Path, "out"));

        Assert.Equal(["c.md", "in/a.txt"], snapshot.Files.Select(file => file.Path));
        Assert.Equal(["archive_too_long", "unsafe_path"], snapshot.Failures.Select(failure => failure.Reason).Order(StringComparer.Ordinal));
        Assert.Equal(1, snapshot.PassedOver["other_kind"]);
        Assert.False(File.Exists(Path.Combine(folder.Path, "outside.txt")) || File.Exists(Path.Combine(folder.Path, "out", "outside.txt")));

        File.WriteAllBytes(path, File.ReadAllBytes(path)[..60]);
        Assert.Equal("corrupt_archive", (await source.AcquireAsync(Path.Combine(folder.Path, "again"))).Failures[^1].Reason);
    }

    [Fact]
    public void Fill_SameNumber_SameTextAndSlotsAgree()
    {
        var values = new Dictionary<string, IReadOnlyList<string>> { ["n"] = ["Ann", "Bob", "Cid"], ["v"] = ["sees", "hears"] };
        var source = new TemplateCorpusSource(["{n} {v} {n}.", "{v}? {n}!"], values, 100, seed: 1, stream: 2);
        var texts = Enumerable.Range(0, 100).Select(source.Fill).ToList();
        Assert.Equal(texts, Enumerable.Range(0, 100).Select(new TemplateCorpusSource(["{n} {v} {n}.", "{v}? {n}!"], values, 100, 1, 2).Fill));
        Assert.NotEqual(texts, Enumerable.Range(0, 100).Select(new TemplateCorpusSource(["{n} {v} {n}.", "{v}? {n}!"], values, 100, 2, 2).Fill));
        Assert.All(texts.Where(text => text.EndsWith('.')), text => Assert.Equal(text.Split(' ')[0] + ".", text.Split(' ')[2]));
        Assert.Equal(12, texts.Distinct().Count());
        Assert.Throws<UserErrorException>(() => new TemplateCorpusSource(["{missing}"], values, 1, 1, 1).Fill(0));
    }

    [Fact]
    public async Task Acquire_ModelTexts_WhatItWroteAndWhatItRefused()
    {
        await using var server = new RawServer(async (request, stream, _) =>
        {
            using var body = JsonDocument.Parse(request.Body);
            var prompt = body.RootElement.GetProperty("messages")[0].GetProperty("content").GetString();
            var reply = prompt == "bad" ? "{\"choices\":[]}" : JsonSerializer.Serialize(new { choices = new[] { new { message = new { content = $"about {prompt} {body.RootElement.GetProperty("seed").GetInt32()}" } } } });
            await RawServer.WriteAsync(stream, $"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {reply.Length}\r\n\r\n{reply}");
        });
        using var folder = new TempFolder();
        using var http = new HttpClient();
        var options = new ModelTextOptions { Endpoint = server.Url + "/v1", Model = "demo", Prompts = ["cats", "bad", "dogs"], Count = 4 };

        var snapshot = await new ModelCorpusSource("own", options, 7, http, new NoWaiting()).AcquireAsync(folder.Path);

        var texts = snapshot.Files.SelectMany(file => FileReadingTests.Reading().Read(snapshot.Root, file, default)).Select(item => item.Document!).ToList();
        Assert.Equal(["about cats", "about dogs", "about cats"], texts.Select(text => text.Text[..10]));
        Assert.Equal(3, texts.Select(text => text.Text).Distinct().Count());
        Assert.Equal("demo", texts[0].Metadata.Author);
        Assert.Equal("strange_answer", snapshot.Failures.Single().Reason);
        Assert.All(server.Requests, request => Assert.Equal("/v1/chat/completions", request.Path));
    }

    [Theory]
    [InlineData(Mit, "MIT")]
    [InlineData("Apache License\n   Version 2.0, January 2004", "Apache-2.0")]
    [InlineData("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1", "LGPL-2.1")]
    [InlineData("Redistribution and use in source and binary forms, with or without ... this list of conditions ... Neither the name of", "BSD-3-Clause")]
    [InlineData("Redistribution and use in source and binary forms, with or without ... this list of conditions", "BSD-2-Clause")]
    [InlineData("All rights reserved.", null)]
    public void OfText_Licence_ItsIdentifier(string text, string? id) => Assert.Equal(id, LicenseDetector.OfText(text));

    private static void Git(string folder, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("git", ["-C", folder, .. arguments]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error);
    }

    /// <summary>Timers of seconds fire at once; limits of minutes never.</summary>
    private sealed class NoWaiting : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, dueTime > TimeSpan.FromMinutes(1) ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
