// Enters: a run's folder, then texts. Leaves: a copy of its model, then vectors. Does not know: corpora, duplicates, engines.
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Tokens;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Inference.Serving;
using Cluster.Model.Decode;
using Cluster.Silo.Inference;

namespace Cluster.Silo.Corpus;

/// <summary>
/// Models of runs for a corpus: the newest weights of the last training stage, as they are served. The copy is a run's folder of a recipe,
/// a tokenizer and weights. Computed in fp32 by the managed kernels on one thread, so that a vector is a function of model and text.
/// </summary>
public sealed class RunEmbeddings : IEmbeddingModels
{
    /// <inheritdoc/>
    public EmbeddingModel Copy(string model, string folder)
    {
        var source = RunSource.Open(new RunFolder(model));
        var checkpoint = source.Latest(_ => { });
        try
        {
            AtomicFolder.Write(folder, path =>
            {
                var copy = new RunFolder(path);
                File.Copy(source.Folder.Recipe, copy.Recipe);
                File.Copy(source.Folder.Tokenizer, copy.Tokenizer);
                CheckpointStore.CopyWeights(checkpoint, copy.Checkpoints(checkpoint.Manifest.Stage));
            });
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The model of {source.Folder.Path} cannot be copied to {folder} ({error.Message.TrimEnd('.')}).",
                "Check that the one can be read and the other written, and that the disk has space.", error);
        }

        return Describe(source, checkpoint);
    }

    /// <inheritdoc/>
    public ITextEmbedder Open(string folder, EmbeddingModel model)
    {
        var source = RunSource.Open(new RunFolder(folder));
        // Its optimizer's state was left behind: the manifest says which it is, and loading checks the weights.
        var checkpoint = source.Newest() is { } found && Describe(source, found) == model
            ? found
            : throw new UserErrorException($"{folder} is not the model {model.Sha256} that the corpus was planned with.",
                "Build into a new folder.");
        var decoder = source.Decoder(checkpoint, DecodePrecision.Fp32, source.Recipe.Model.MaxContext, DecodeBackendKind.Managed);
        return new Embedder(source.Tokenizer, decoder);
    }

    private static EmbeddingModel Describe(RunSource source, SavedCheckpoint checkpoint)
    {
        var shape = source.Recipe.Model;
        string[] parts = [checkpoint.Manifest.WeightsSha256, TokenizerFile.Sha256(source.Tokenizer), RunJson.Line(shape)];
        return new EmbeddingModel(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts)))), shape.Width);
    }

    /// <summary>
    /// The mean over all tokens of a text. One that does not fit into the context is cut into windows that do, each with its own beginning
    /// of text, so that a long text's tail counts as much as its head.
    /// </summary>
    private sealed class Embedder(ITokenizer tokenizer, IDecodeBackend backend) : ITextEmbedder
    {
        private readonly HiddenMean _mean = new(backend.Shape.Width);
        private readonly List<int> _ids = [];

        public float[] Embed(string text, CancellationToken cancellation)
        {
            _ids.Clear();
            tokenizer.Encode(text, _ids);
            if (_ids.Count == 0)
                return [];
            _mean.Reset();
            // What is served leaves room for one more token.
            var window = backend.Shape.MaxContext - 2;
            for (var start = 0; start < _ids.Count; start += window)
            {
                cancellation.ThrowIfCancellationRequested();
                using var sequence = backend.CreateSequence();
                var count = Math.Min(window, _ids.Count - start);
                _mean.Add(backend, sequence, [tokenizer.Special.BeginOfText, .. _ids.GetRange(start, count)]);
            }

            return _mean.Value();
        }

        public void Dispose() => backend.Dispose();
    }
}
