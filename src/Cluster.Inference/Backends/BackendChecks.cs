using Cluster.Inference.Cache;

namespace Cluster.Inference.Backends;

/// <summary>What every backend asks of its arguments, and the room that a step takes.</summary>
public static class BackendChecks
{
    extension(IDecodeBackend backend)
    {
        /// <summary>Refuses no ids and ids outside of the vocabulary.</summary>
        /// <exception cref="ArgumentException">It is so.</exception>
        public void CheckIds(scoped ReadOnlySpan<int> ids)
        {
            if (ids.IsEmpty)
                throw new ArgumentException("no ids", nameof(ids));
            foreach (var id in ids)
            {
                if ((uint)id >= (uint)backend.Shape.Vocabulary)
                    throw new ArgumentException($"id {id} is outside the vocabulary of {backend.Shape.Vocabulary}", nameof(ids));
            }
        }

        /// <summary>Refuses a sequence of another backend.</summary>
        /// <exception cref="ArgumentException">It is one.</exception>
        public void CheckOwned(DecodeSequence sequence)
        {
            if (sequence.Pool != backend.Cache)
                throw new ArgumentException("the sequence belongs to another backend", nameof(sequence));
        }

        /// <summary>Checks a decode step's arguments and takes room for its tokens; for all of them or none.</summary>
        /// <exception cref="ArgumentException">As <see cref="IDecodeBackend.Decode"/> says.</exception>
        /// <exception cref="KvCacheFullException">Too few blocks are free; no sequence has grown.</exception>
        public void ReserveStep(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids)
        {
            if (sequences.Length != ids.Length)
                throw new ArgumentException($"{ids.Length} ids for {sequences.Length} sequences", nameof(ids));
            backend.CheckIds(ids);
            var missing = 0;
            for (var i = 0; i < sequences.Length; i++)
            {
                backend.CheckOwned(sequences[i]);
                missing += sequences[i].Missing(1);
                if (sequences[..i].Contains(sequences[i]))
                    throw new ArgumentException($"sequence {i} is in the batch twice", nameof(sequences));
            }

            if (missing > backend.Cache.Free)
                throw new KvCacheFullException(missing, backend.Cache.Free);
            foreach (var sequence in sequences)
                sequence.Reserve(1);
        }
    }
}
