using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Cluster.Data.Dialogues;

namespace Cluster.Data.Corpus;

/// <summary>A corpus ready for tokens: what <see cref="CorpusBuilder"/> makes.</summary>
/// <param name="Train">Documents to train on.</param>
/// <param name="Validation">Documents to watch training with.</param>
/// <param name="Test">Documents for the end.</param>
/// <param name="TrainBest">The best decile of <paramref name="Train"/> by quality, in the same order.</param>
/// <param name="Dialogues">Conversations for fine-tuning, split alike.</param>
/// <param name="Report">Figures and hashes.</param>
public sealed record CuratedCorpus(
    IReadOnlyList<Document> Train, IReadOnlyList<Document> Validation, IReadOnlyList<Document> Test, IReadOnlyList<Document> TrainBest,
    DialogueSet Dialogues, CorpusReport Report)
{
    internal static string HashDocuments(params IReadOnlyList<Document>[] parts)
    {
        using var hash = new ContentHash();
        foreach (var part in parts)
        {
            hash.Add(part.Count);
            foreach (var document in part)
            {
                hash.Add(document.Id);
                hash.Add(document.Text);
            }
        }

        return hash.Finish();
    }

    internal static string HashDialogues(DialogueSet dialogues)
    {
        using var hash = new ContentHash();
        foreach (var part in new[] { dialogues.Train, dialogues.Validation, dialogues.Test })
        {
            hash.Add(part.Count);
            foreach (var conversation in part)
            {
                hash.Add(conversation.Id);
                hash.Add(conversation.Messages.Count);
                foreach (var message in conversation.Messages)
                {
                    hash.Add((int)message.Role);
                    hash.Add(message.Content);
                }
            }
        }

        return hash.Finish();
    }

    /// <summary>Lengths go in before texts, so that no two different lists are the same bytes.</summary>
    private sealed class ContentHash : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public void Add(int number)
        {
            Span<byte> bytes = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
            _hash.AppendData(bytes);
        }

        public void Add(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Add(bytes.Length);
            _hash.AppendData(bytes);
        }

        public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

        public void Dispose() => _hash.Dispose();
    }
}
