using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>stages.json: what is done, so that a run that goes on does not do it again.</summary>
internal sealed class StageLog
{
    private readonly RunFolder _folder;
    private readonly List<StageRecord> _done;

    public StageLog(RunFolder folder)
    {
        _folder = folder;
        _done = File.Exists(folder.Stages) ? [.. RunJson.Parse<StageRecord[]>(File.ReadAllText(folder.Stages), folder.Stages)] : [];
    }

    /// <summary>In order.</summary>
    public IReadOnlyList<StageRecord> Done => _done;

    /// <summary>The record of a stage that was done with the same input, or null.</summary>
    public StageRecord? Find(string stage, string input) => _done.Find(s => s.Name == stage && s.InputSha256 == input);

    /// <summary>Notes a stage; what followed from an earlier doing of it is forgotten.</summary>
    public void Add(StageRecord record)
    {
        var place = _done.FindIndex(s => s.Name == record.Name);
        if (place >= 0)
            _done.RemoveRange(place, _done.Count - place);
        _done.Add(record);
        AtomicWrite.AllText(_folder.Stages, RunJson.Document(_done) + "\n");
    }

    /// <summary>SHA-256 over texts, lower-case hex.</summary>
    public static string HashOf(params IEnumerable<string> parts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))));
}
