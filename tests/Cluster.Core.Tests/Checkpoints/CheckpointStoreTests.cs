using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Runs;

namespace Cluster.Core.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    // Odd sizes, which no recipe may have, so that there is padding between parameters.
    private static readonly ModelShape s_shape = new()
    {
        Layers = 1,
        Width = 5,
        Heads = 1,
        HeadSize = 4,
        Context = 8,
        Vocabulary = 7,
        FeedForward = 3,
        Biases = true,
    };

    private static readonly ParameterLayout s_layout = new(s_shape);
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _warnings = [];

    private string Folder => _folder.At("checkpoints");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Load_WhatWasSaved_GivesEveryBit()
    {
        Assert.True(s_layout.TotalCount > s_layout.ParameterCount);
        var (parameters, first, second) = Vectors(1);
        var values = s_layout.Parameters[^1];
        parameters[values.Offset] = BitConverter.UInt32BitsToSingle(0x7FA12345);
        parameters[values.Offset + 1] = -0f;
        first[values.Offset] = float.NegativeInfinity;
        second[values.Offset] = float.Epsilon;
        var state = State(12) with { BestValidationLoss = 0.1 + 0.2, Seconds = 1e-300, ValidationsWithoutImprovement = 3 };
        var saved = new CheckpointStore(Folder, 2).Save(state, s_layout, parameters, first, second);

        var found = new CheckpointStore(Folder, 2).Latest(_warnings.Add)!;
        Assert.Equal(RunJson.Line(saved), RunJson.Line(found));
        var (p, f, s) = Dirty();
        CheckpointStore.Load(found, s_layout, p, f, s);
        Assert.Equal(Bits(parameters), Bits(p));
        Assert.Equal(Bits(first), Bits(f));
        Assert.Equal(Bits(second), Bits(s));

        var manifest = found.Manifest;
        Assert.Equal(state, new CheckpointState(
            manifest.Stage, manifest.Step, manifest.Tokens, manifest.Seconds, manifest.RecipeSha256, manifest.BestValidationLoss,
            manifest.ValidationsWithoutImprovement));
        Assert.Equal(Hash(Bits(parameters)), manifest.WeightsSha256);
        Assert.Equal(Hash([.. Bits(parameters), .. Bits(first), .. Bits(second)]), manifest.StateSha256);
        Assert.Equal(_folder.At("checkpoints", "step-000000012"), found.Path);
        Assert.Equal(["manifest.json", "optimizer.safetensors", "weights.safetensors"], Names(found.Path));
        foreach (var file in manifest.Files)
            Assert.Equal(Hash(File.ReadAllBytes(Path.Combine(found.Path, file.Name))), file.Sha256);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Load_EmptyMoments_ReadsTheParametersAlone()
    {
        var saved = Save(1);
        File.Delete(Path.Combine(saved.Path, "optimizer.safetensors"));
        var (p, f, _) = Dirty();
        CheckpointStore.Load(saved, s_layout, p, [], []);
        Assert.Equal(Bits(Vectors(1).Parameters), Bits(p));
        Assert.Throws<ArgumentException>(() => CheckpointStore.Load(saved, s_layout, p, f, []));
        Assert.Throws<ArgumentException>(() => CheckpointStore.Load(saved, s_layout, new float[3], [], []));
    }

    [Fact]
    public void Save_SameState_GivesTheSameFiles()
    {
        var saved = Save(1);
        var (parameters, first, second) = Vectors(1);
        var again = new CheckpointStore(_folder.At("other"), 1).Save(State(1), s_layout, parameters, first, second);
        Assert.Equal(RunJson.Line(saved.Manifest), RunJson.Line(again.Manifest));

        // The control: the last bit of one moment.
        ref var value = ref second[s_layout.Parameters[^1].Offset];
        value = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) ^ 1);
        var other = new CheckpointStore(_folder.At("other"), 1).Save(State(1), s_layout, parameters, first, second);
        Assert.Equal(saved.Manifest.WeightsSha256, other.Manifest.WeightsSha256);
        Assert.NotEqual(saved.Manifest.StateSha256, other.Manifest.StateSha256);
    }

    [Fact]
    public void Weights_AreNamedAndShapedAsInTheLayout()
    {
        var saved = Save(1);
        using var weights = Safetensors.Open(Path.Combine(saved.Path, "weights.safetensors"));
        Assert.Equal(s_layout.Parameters.Select(p => p.Name), weights.Tensors.Select(t => t.Name));
        Assert.Equal([7, 5], weights.Find("token_embedding.weight")!.Shape);
        Assert.Equal([5], weights.Find("final_norm.gain")!.Shape);
        Assert.Equal("1", weights.Metadata["step"]);
        using var optimizer = Safetensors.Open(Path.Combine(saved.Path, "optimizer.safetensors"));
        Assert.Equal(2 * s_layout.Parameters.Count, optimizer.Tensors.Count);
        Assert.Equal([7, 5], optimizer.Find("second_moment.token_embedding.weight")!.Shape);
    }

    [Fact]
    public void Load_OtherLayout_NamesTheTensor()
    {
        var saved = Save(1);
        Refused(s_shape with { Vocabulary = 8 }, "token_embedding.weight as [7, 5], the model as [8, 5]");
        Refused(s_shape with { Layers = 2 }, "has no tensor blocks.1.attention.qkv.weight");
        Refused(s_shape with { Biases = false }, "has a tensor blocks.0.attention_norm.bias, which the model lacks");

        // As many values, other shape.
        Refused(s_shape with { Vocabulary = 5, Width = 7, HeadSize = 4 }, "token_embedding.weight as [7, 5], the model as [5, 7]");

        void Refused(ModelShape shape, string expected)
        {
            var layout = new ParameterLayout(shape);
            var error = Assert.Throws<UserErrorException>(() => CheckpointStore.Load(saved, layout, new float[layout.TotalCount], [], []));
            Assert.Contains(expected, error.What, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("weights.safetensors", true)]
    [InlineData("optimizer.safetensors", false)]
    public void Load_FlippedLastBit_IsRefused(string file, bool alone)
    {
        var saved = Save(1);
        Flip(Path.Combine(saved.Path, file), -1, 0);
        var (p, f, s) = Dirty();
        var error = Assert.Throws<UserErrorException>(() => CheckpointStore.Load(saved, s_layout, p, alone ? [] : f, alone ? [] : s));
        Assert.Contains(file + " does not match its SHA-256", error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("optimizer.safetensors")]
    public void Latest_FileCutAnywhere_SkipsItWithAWarning(string file)
    {
        var older = Save(1);
        var path = Path.Combine(Save(2).Path, file);
        var whole = File.ReadAllBytes(path);
        var header = 8 + BitConverter.ToInt32(whole);
        List<int> cuts = [0, 1, 7, 8, 9, header - 1, header, header + 1, whole.Length - 1];
        using (var reader = Safetensors.Open(path))
            cuts.AddRange(reader.Tensors.Take(reader.Tensors.Count - 1).Select(tensor => header + (int)tensor.End));
        foreach (var length in cuts)
        {
            File.WriteAllBytes(path, whole.AsSpan(0, length));
            Skips(older, $"{path} has {length} bytes, {whole.Length} were written.");
        }

        File.WriteAllBytes(path, [.. whole, 0]);
        Skips(older, $"{path} has {whole.Length + 1} bytes, {whole.Length} were written.");
        File.Delete(path);
        Skips(older, $"{path} cannot be read");

        // The control: whole again, it is the latest.
        File.WriteAllBytes(path, whole);
        Assert.Equal(2, Store().Latest(_warnings.Add)!.Manifest.Step);
        Assert.Empty(_warnings);
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("optimizer.safetensors")]
    public void Latest_OneBitFlipped_SkipsItWithAWarning(string file)
    {
        var older = Save(1);
        var path = Path.Combine(Save(2).Path, file);
        var length = (int)new FileInfo(path).Length;

        // In the header's length, its JSON, and the data.
        foreach (var (index, bit) in new[] { (0, 0), (7, 7), (8, 1), (30, 4), (length / 2, 3), (length - 1, 7) })
        {
            Flip(path, index, bit);
            Skips(older, $"{path} does not match its SHA-256.");
            Flip(path, index, bit);
        }

        Assert.Equal(2, Store().Latest(_warnings.Add)!.Manifest.Step);
    }

    [Fact]
    public void Latest_AnyByteOfTheManifestChanged_SkipsItWithAWarning()
    {
        var path = Path.Combine(Save(1).Path, "manifest.json");
        var bytes = File.ReadAllBytes(path);
        for (var index = 0; index < bytes.Length; index++)
        {
            // Each bit in turn, and the one between capital and small letters, or a digit and a control character.
            foreach (var mask in new[] { 1 << (index % 8), 0x20 })
            {
                bytes[index] ^= (byte)mask;
                File.WriteAllBytes(path, bytes);
                bytes[index] ^= (byte)mask;
                Assert.Null(Store().Latest(_warnings.Add));
                Assert.Contains(path, Assert.Single(_warnings), StringComparison.Ordinal);
                _warnings.Clear();
            }
        }

        Assert.Empty(Store().List());

        File.WriteAllBytes(path, bytes);
        Assert.NotNull(Store().Latest(_warnings.Add));
        Assert.Single(Store().List());
    }

    [Fact]
    public void Latest_ManifestCutOrMissing_SkipsItWithAWarning()
    {
        var older = Save(1);
        var path = Path.Combine(Save(2).Path, "manifest.json");
        var whole = File.ReadAllBytes(path);

        // The last two characters are a brace and a line end, and only the brace is needed.
        for (var length = 0; length < whole.Length - 1; length += 50)
        {
            File.WriteAllBytes(path, whole.AsSpan(0, length));
            Skips(older, path);
        }

        File.Delete(path);
        Skips(older, $"{path} cannot be read");
    }

    [Fact]
    public void Latest_FoldersSwapped_SkipsThemWithAWarning()
    {
        Directory.Move(Save(1).Path, _folder.At("checkpoints", "step-000000003"));
        Assert.Null(Store().Latest(_warnings.Add));
        Assert.Contains("is of step 1", Assert.Single(_warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Latest_AllDamaged_GivesNullAndAWarningEach()
    {
        foreach (var step in new[] { 1, 2, 3 })
            Flip(Path.Combine(Save(step).Path, "weights.safetensors"), -1, 5);
        Assert.Null(Store().Latest(_warnings.Add));
        Assert.Equal([3, 2, 1], _warnings.Select(warning => int.Parse(warning["The checkpoint of step ".Length..].Split(' ')[0])));
        Assert.Equal([1, 2, 3], Store().List().Select(saved => saved.Manifest.Step));
    }

    [Fact]
    public void Latest_NoFolder_GivesNull()
    {
        Assert.Null(Store().Latest(_warnings.Add));
        Assert.Empty(Store().List());
        Assert.Empty(_warnings);
        Assert.False(Directory.Exists(Folder));
    }

    [Fact]
    public void Latest_RecipeGiven_PassesOverOthers()
    {
        var (parameters, first, second) = Vectors(1);
        Store().Save(State(1) with { RecipeSha256 = "aa" }, s_layout, parameters, first, second);
        Store().Save(State(2) with { RecipeSha256 = "bb" }, s_layout, parameters, first, second);
        Assert.Equal(1, Store().Latest(_warnings.Add, manifest => manifest.RecipeSha256 == "aa")!.Manifest.Step);
        Assert.Equal(2, Store().Latest(_warnings.Add, manifest => manifest.RecipeSha256 == "bb")!.Manifest.Step);
        Assert.Null(Store().Latest(_warnings.Add, manifest => manifest.RecipeSha256 == "cc"));
        Assert.Equal(2, Store().Latest(_warnings.Add)!.Manifest.Step);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Save_MoreThanToKeep_DeletesTheOldest()
    {
        // Beyond nine digits too: steps are ordered as numbers, not as names.
        long[] steps = [5, 6, 999_999_999, 1_000_000_000, 1_000_000_001];
        foreach (var step in steps)
            Save(step, keep: 3);
        Assert.Equal(steps[2..], Store().List().Select(saved => saved.Manifest.Step));
        Assert.Equal(["step-1000000000", "step-1000000001", "step-999999999"], Names(Folder));
        Save(1_000_000_002, keep: 1);
        Assert.Equal(["step-1000000002"], Names(Folder));
    }

    [Fact]
    public void Save_AfterReturnToAnEarlierStep_KeepsTheNewOne()
    {
        Save(1);
        Flip(Path.Combine(Save(9).Path, "weights.safetensors"), -1, 0);
        Save(5, keep: 1);
        Assert.Equal([5, 9], Store().List().Select(saved => saved.Manifest.Step));
        Assert.Equal(5, Store().Latest(_warnings.Add)!.Manifest.Step);
        Save(9, keep: 1);
        Assert.Equal([9], Store().List().Select(saved => saved.Manifest.Step));
    }

    [Fact]
    public void Save_SameStepAgain_ReplacesIt()
    {
        Save(1);
        Save(2);
        var (parameters, first, second) = Vectors(77);
        Store().Save(State(2), s_layout, parameters, first, second);
        Assert.Equal(["step-000000001", "step-000000002"], Names(Folder));
        var (p, f, s) = Dirty();
        CheckpointStore.Load(Store().Latest(_warnings.Add)!, s_layout, p, f, s);
        Assert.Equal(Bits(parameters), Bits(p));
    }

    [Fact]
    public void Latest_CrashBetweenTheRenamesOfAReplacement_FindsTheEarlierOne()
    {
        var saved = Save(1);
        Directory.Move(saved.Path, saved.Path + ".replaced");
        Assert.Equal(saved.Path + ".replaced", Store().Latest(_warnings.Add)!.Path);
        Assert.Equal([1], Store().List().Select(found => found.Manifest.Step));

        // A crash one rename later.
        Save(2);
        Directory.CreateDirectory(saved.Path + ".replaced");
        Save(3);
        Assert.Equal(["step-000000001", "step-000000002", "step-000000003"], Names(Folder));
        Assert.Equal([1, 2, 3], Store().List().Select(found => found.Manifest.Step));
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Save_RemnantsOfCrashes_AreRemovedAndNeverRead()
    {
        var saved = Save(1);
        foreach (var name in new[] { "000000002.writing", "000000003.writing", "000000000.deleting", "000000001.replaced.deleting" }.Select(n => "step-" + n))
        {
            Directory.CreateDirectory(Path.Combine(Folder, name));
            foreach (var file in Directory.GetFiles(saved.Path))
                File.Copy(file, Path.Combine(Folder, name, Path.GetFileName(file)));
        }

        Directory.CreateDirectory(Path.Combine(Folder, "step-notes"));
        Assert.Equal(saved.Path, Store().Latest(_warnings.Add)!.Path);
        Assert.Single(Store().List());
        Assert.Empty(_warnings);
        Save(3);
        Assert.Equal(["step-000000001", "step-000000003", "step-notes"], Names(Folder));
    }

    [Fact]
    public void Save_FailsAtTheLastRename_LeavesTheOldOnes()
    {
        Save(1);
        Save(2);
        File.WriteAllText(Path.Combine(Folder, "step-000000003"), "in the way");
        StaysWithout(3);
    }

    [Fact]
    public void Save_FailsBeforeTheFirstByte_LeavesTheOldOnes()
    {
        Save(1);
        Save(2);
        File.WriteAllText(Path.Combine(Folder, "step-000000003.writing"), "in the way");
        StaysWithout(3);
    }

    [Fact]
    public void Save_FolderIsAFile_SaysSo()
    {
        File.WriteAllText(Folder, "in the way");
        var error = Assert.Throws<UserErrorException>(() => Save(1));
        Assert.Contains(_folder.At("checkpoints", "step-000000001") + " cannot be saved", error.What, StringComparison.Ordinal);
        Assert.Equal("in the way", File.ReadAllText(Folder));
    }

    [LinuxFact]
    public void Save_FolderThatTakesNoFiles_SaysSo()
    {
        // Unlike a folder without the permission, this one refuses root as well.
        var (parameters, first, second) = Vectors(1);
        var store = new CheckpointStore("/proc/none", 1);
        var error = Assert.Throws<UserErrorException>(() => store.Save(State(1), s_layout, parameters, first, second));
        Assert.StartsWith("The checkpoint /proc/none/step-000000001 cannot be saved: ", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Save_BadArguments_WritesNothing()
    {
        var (parameters, first, second) = Vectors(1);
        var matrix = s_layout.Parameters[0];
        Assert.Throws<ArgumentException>(() => Store().Save(State(1), s_layout, parameters.AsSpan(1), first, second));
        var diverged = State(1) with { BestValidationLoss = double.NaN };
        Assert.Throws<ArgumentException>(() => Store().Save(diverged, s_layout, parameters, first, second));
        Assert.Throws<ArgumentOutOfRangeException>(() => Store().Save(State(-1), s_layout, parameters, first, second));
        second[matrix.Offset + matrix.Count] = -0f;
        var error = Assert.Throws<ArgumentException>(() => Store().Save(State(1), s_layout, parameters, first, second));
        Assert.Contains(matrix.Name, error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new CheckpointStore(Folder, 0));
        Assert.False(Directory.Exists(Folder));
    }

    private CheckpointStore Store(int keep = 5) => new(Folder, keep);

    private SavedCheckpoint Save(long step, int keep = 5)
    {
        var (parameters, first, second) = Vectors((int)step);
        return Store(keep).Save(State(step), s_layout, parameters, first, second);
    }

    private void Skips(SavedCheckpoint older, string defect)
    {
        Assert.Equal(older.Path, Store().Latest(_warnings.Add)!.Path);
        Assert.StartsWith("The checkpoint of step 2 is skipped: ", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Contains(defect, _warnings[0], StringComparison.Ordinal);
        _warnings.Clear();
    }

    // Keeping one would delete the first two, if the third were there.
    private void StaysWithout(long step)
    {
        var names = Names(Folder);
        var error = Assert.Throws<UserErrorException>(() => Save(step, keep: 1));
        Assert.Contains($"step-{step:D9} cannot be saved: ", error.What, StringComparison.Ordinal);
        Assert.Contains("disk has space", error.Remedy, StringComparison.Ordinal);
        Assert.Equal(names, Names(Folder));
        Assert.Equal([1, 2], Store().List().Select(saved => saved.Manifest.Step));
        var (p, f, s) = Dirty();
        CheckpointStore.Load(Store().Latest(_warnings.Add)!, s_layout, p, f, s);
        Assert.Equal(Bits(Vectors(2).Parameters), Bits(p));
        Assert.Empty(_warnings);
    }

    private static CheckpointState State(long step) => new(StageNames.Pretraining, step, 256 * step, 0.5 * step, "c0ffee", null, 0);

    private static (float[] Parameters, float[] First, float[] Second) Vectors(int seed)
    {
        var random = new Random(seed);
        return (Vector(), Vector(), Vector());

        float[] Vector()
        {
            var vector = new float[s_layout.TotalCount];
            foreach (var parameter in s_layout.Parameters)
            {
                for (var i = parameter.Offset; i < parameter.Offset + parameter.Count; i++)
                    vector[i] = random.NextSingle() - 0.5f;
            }

            return vector;
        }
    }

    // Nothing of what was there may show through.
    private static (float[] Parameters, float[] First, float[] Second) Dirty() =>
        (Enumerable.Repeat(9f, (int)s_layout.TotalCount).ToArray(), Enumerable.Repeat(8f, (int)s_layout.TotalCount).ToArray(),
            Enumerable.Repeat(7f, (int)s_layout.TotalCount).ToArray());

    private static byte[] Bits(float[] vector) => MemoryMarshal.AsBytes(vector.AsSpan()).ToArray();

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string[] Names(string folder) =>
        [.. Directory.GetFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static void Flip(string path, int index, int bit)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[index < 0 ? bytes.Length + index : index] ^= (byte)(1 << bit);
        File.WriteAllBytes(path, bytes);
    }
}
