using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Core.Checkpoints;

/// <summary>What the caller knows of the training that it saves.</summary>
/// <param name="Stage">One of <see cref="StageNames"/>.</param>
/// <param name="Step">Steps applied, 0 or more; also the cursor into the data.</param>
/// <param name="Tokens">Trained on so far.</param>
/// <param name="Seconds">Spent on the stage so far, finite.</param>
/// <param name="RecipeSha256">Of the resolved recipe as far as it bears on this state: <see cref="RecipeJson.HashAt"/>, lower-case hex.</param>
/// <param name="BestValidationLoss">Lowest so far, nats per token, finite; null before the first validation.</param>
/// <param name="ValidationsWithoutImprovement">Since that one, for early stopping.</param>
public sealed record CheckpointState(
    string Stage,
    long Step,
    long Tokens,
    double Seconds,
    string RecipeSha256,
    double? BestValidationLoss,
    int ValidationsWithoutImprovement);

/// <summary>A file as it was written.</summary>
/// <param name="Name">Without its folder.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Of all its bytes, lower-case hex.</param>
public sealed record CheckpointFile(string Name, long Bytes, string Sha256);

/// <summary>A checkpoint on disk.</summary>
/// <param name="Path">Its folder, absolute.</param>
/// <param name="Manifest">What it says of itself.</param>
public sealed record SavedCheckpoint(string Path, CheckpointManifest Manifest);

/// <summary>What <c>manifest.json</c> says of a checkpoint; hashes are lower-case hex.</summary>
public sealed record CheckpointManifest
{
    /// <summary>The format that this code writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Of the checkpoint's format.</summary>
    public required int Version { get; init; }

    /// <inheritdoc cref="CheckpointState.Stage"/>
    public required string Stage { get; init; }

    /// <inheritdoc cref="CheckpointState.Step"/>
    public required long Step { get; init; }

    /// <inheritdoc cref="CheckpointState.Tokens"/>
    public required long Tokens { get; init; }

    /// <inheritdoc cref="CheckpointState.Seconds"/>
    public required double Seconds { get; init; }

    /// <inheritdoc cref="CheckpointState.RecipeSha256"/>
    public required string RecipeSha256 { get; init; }

    /// <summary>SHA-256 of the flat parameter vector's bytes, padding included.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>SHA-256 of the flat parameters, then the flat first moments, then the flat second moments.</summary>
    public required string StateSha256 { get; init; }

    /// <inheritdoc cref="CheckpointState.BestValidationLoss"/>
    public double? BestValidationLoss { get; init; }

    /// <inheritdoc cref="CheckpointState.ValidationsWithoutImprovement"/>
    public required int ValidationsWithoutImprovement { get; init; }

    /// <summary>The tensor files.</summary>
    public required IReadOnlyList<CheckpointFile> Files { get; init; }

    /// <summary>SHA-256 of this manifest's one-line JSON with this field empty: a changed step is found like a changed weight.</summary>
    public required string ManifestSha256 { get; init; }

    /// <summary>Whether a run by this recipe has, or will have, this state after so many steps.</summary>
    public bool IsOf(Recipe recipe) => RecipeSha256 == RecipeJson.HashAt(recipe, Stage, Step);

    /// <summary>The manifest with its own hash filled in.</summary>
    internal CheckpointManifest Sealed()
    {
        var open = this with { ManifestSha256 = "" };
        return open with { ManifestSha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(RunJson.Line(open)))) };
    }
}
