using System.Text.RegularExpressions;

namespace Cluster.Data.Corpus.Sources.Git;

/// <summary>
/// The text of a licence file, or a line of a source file, in; an SPDX identifier out, or null. By the phrases that a licence's text
/// cannot do without, as detectors such as licensee and go-license-detector begin; a text that was altered beyond them is unknown, and
/// unknown is not allowed. Pure.
/// </summary>
public static partial class LicenseDetector
{
    // The order matters where one text quotes another: LGPL and AGPL name the GPL, 0BSD and ISC differ by one clause.
    private static readonly (string Id, string[] Phrases)[] s_texts =
    [
        ("Apache-2.0", ["apache license", "version 2.0"]),
        ("AGPL-3.0", ["gnu affero general public license", "version 3"]),
        ("LGPL-3.0", ["gnu lesser general public license", "version 3"]),
        ("LGPL-2.1", ["gnu lesser general public license", "version 2.1"]),
        ("GPL-3.0", ["gnu general public license", "version 3"]),
        ("GPL-2.0", ["gnu general public license", "version 2"]),
        ("MPL-2.0", ["mozilla public license", "2.0"]),
        ("EPL-2.0", ["eclipse public license", "2.0"]),
        ("CC0-1.0", ["cc0 1.0 universal"]),
        ("CC-BY-SA-4.0", ["attribution-sharealike 4.0 international"]),
        ("CC-BY-NC-4.0", ["attribution-noncommercial 4.0 international"]),
        ("CC-BY-4.0", ["attribution 4.0 international"]),
        ("Unlicense", ["this is free and unencumbered software released into the public domain"]),
        ("BSL-1.0", ["boost software license", "version 1.0"]),
        ("MIT", ["permission is hereby granted, free of charge, to any person obtaining a copy", "the above copyright notice and this permission notice shall be included"]),
        ("BSD-3-Clause", ["redistribution and use in source and binary forms", "neither the name of"]),
        ("BSD-2-Clause", ["redistribution and use in source and binary forms", "this list of conditions"]),
        ("ISC", ["permission to use, copy, modify, and", "provided that the above copyright notice and this permission notice appear in all copies"]),
        ("0BSD", ["permission to use, copy, modify, and", "for any purpose with or without fee is hereby granted"]),
        ("Zlib", ["this software is provided 'as-is', without any express or implied warranty", "altered source versions must be plainly marked"]),
    ];

    /// <summary>Names of files that hold a repository's or folder's licence.</summary>
    public static bool IsLicenseFile(string path) => LicenseName().IsMatch(Path.GetFileName(path));

    /// <summary>Of the text of a licence file.</summary>
    public static string? OfText(string text)
    {
        var flat = Space().Replace(text, " ").ToLowerInvariant();
        // A file that only points to another place has the identifier and nothing else.
        if (OfHeader(text) is { } stated)
            return stated;
        foreach (var (id, phrases) in s_texts)
        {
            if (phrases.All(phrase => flat.Contains(phrase, StringComparison.Ordinal)))
                return id;
        }

        return null;
    }

    /// <summary>Of a source file that names its licence itself, among its first lines (SPDX specification, annex E).</summary>
    public static string? OfHeader(string text) =>
        Header().Match(text, 0, Math.Min(text.Length, 2_000)) is { Success: true } match ? match.Groups[1].Value.TrimEnd('.', ',', ';') : null;

    [GeneratedRegex(@"^(un)?licen[cs]e([-._].*)?$|^copying([-._].*)?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex LicenseName();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    [GeneratedRegex(@"SPDX-License-Identifier:\s*([A-Za-z0-9.+-]+)")]
    private static partial Regex Header();
}
