// The one sequence of a run's stages: corpus → tokenizer → shards → plan → pre-training → fine-tuning → evaluation → report.
// Enters: a request. Leaves: the run folder. Stages that an earlier process did are skipped; later stages are added here.
// Does not know: how training works (TrainingRunGrain), how anything is drawn on a screen (IRunObserver).
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Dialogues;
using Cluster.Data.Shards;
using Cluster.Data.Tokens;
using Cluster.Evaluation.Scores;
using Cluster.Inference.Sampling;
using Cluster.Model.Runtime;
using Cluster.Model.Training;
using Cluster.Silo.Inference;
using Cluster.Silo.Reports;
using Cluster.Silo.Training;

namespace Cluster.Silo.Stages;

/// <summary>Runs the stages of one request after another.</summary>
/// <param name="grains">Of a cluster whose silos see the run folder.</param>
/// <param name="sinceStart">Time since the process started; a run of so many minutes counts from there.</param>
/// <param name="data">Shown what becomes of the text, or null.</param>
public sealed class StageRunner(IGrainFactory grains, Func<TimeSpan> sinceStart, DataInstruments? data = null)
{
    /// <summary>Time between two samples of the same prompt.</summary>
    private static readonly TimeSpan s_sampleInterval = TimeSpan.FromSeconds(30);

    /// <summary>Seconds that evaluation and report are left of a run of so many minutes, besides a share of it.</summary>
    private const double ReserveSeconds = 18;

    private const double ReserveShare = 0.04;
    private const int SampleTokens = 48;

    /// <summary>Runs or goes on with a run.</summary>
    /// <exception cref="UserErrorException">Something that the user gave, or the machine, is not as it must be; what is done stays.</exception>
    /// <param name="request">What to do.</param>
    /// <param name="observer">Told what happens.</param>
    /// <param name="cancellation">Ends the work after the step at hand.</param>
    /// <param name="leave">Ends watching only: training goes on, and another runner takes up the run.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled, or left; it can go on later.</exception>
    public async Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, CancellationToken cancellation, CancellationToken leave = default)
    {
        var reporter = new RunGrainObserver(grains.GetGrain<IRunGrain>(request.Folder.Name), request.Folder.Name, observer);
        try
        {
            return await new Work(this, request, new SerialObserver(reporter), cancellation, leave).RunAsync();
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            reporter.Ended("cancelled", "It can be resumed.");
            throw;
        }
        catch (Exception error)
        {
            reporter.Ended("failed", error.Message);
            throw;
        }
    }

    private static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>One request at work.</summary>
    private sealed class Work(StageRunner runner, RunRequest request, SerialObserver observer, CancellationToken cancellation, CancellationToken leave)
    {
        private readonly RunFolder _folder = request.Folder;
        private Recipe _recipe = request.Recipe;
        private IReadOnlyDictionary<string, long>? _replicaBytes;
        private RunOrigin _origin = new(request.CorpusPath is null ? null : Path.GetFullPath(request.CorpusPath), request.Minutes, 0);
        private StageLog _log = null!;

        private bool StopsEarly => request.StopAfter is { } last && last < _recipe.Training.Steps;

        public async Task<RunSummary> RunAsync()
        {
            using var folderLock = TakeLock();
            Begin();
            var source = CorpusBuilder.Source(_origin.CorpusPath);
            Plan(source);
            var data = PrepareData(source);
            SettlePlan(data);

            // Measured when it is first needed: not beside a training that a new driver finds under way.
            var peak = new Lazy<double>(() =>
                MachineCalibration.MeasurePeakFlops(_recipe.Training.Precision, request.Replicas, _recipe.Training.ThreadsPerReplica));
            var pretrained = await TrainAsync(StageNames.Pretraining, null, peak);
            var tuned = _recipe.FineTuning.Steps > 0 && !StopsEarly ? await TrainAsync(StageNames.FineTuning, pretrained.Checkpoint.Path, peak) : null;
            var (heldOut, overlap) = tuned is null ? ([], null) : Evaluate();
            return Summarise(pretrained, tuned, peak.Value, heldOut, overlap);
        }

        /// <summary>
        /// Keeps a second process from working on the same run. Drivers of a cluster share the lock: which of them works is decided by their
        /// grain's one activation, and one whose process hangs must not keep the next one out.
        /// </summary>
        private FileStream TakeLock()
        {
            try
            {
                Directory.CreateDirectory(_folder.Path);
                if (request.SlotsPerSilo > 0)
                {
                    if (!File.Exists(_folder.Lock))
                        File.WriteAllBytes(_folder.Lock, []);
                    return new FileStream(_folder.Lock, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                }

                return new FileStream(_folder.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            }
            catch (IOException error) when (File.Exists(_folder.Lock))
            {
                throw new UserErrorException($"Another process works on the run in {_folder.Path}.", "Wait for it or end it, or choose another folder.", error);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new UserErrorException($"The run cannot be written to {_folder.Path}: {error.Message}", "Choose a folder that is writable.", error);
            }
        }

        /// <summary>Takes up the folder: a run that was begun there goes on with its own recipe and source.</summary>
        private void Begin()
        {
            if (_folder.Exists)
            {
                _recipe = RecipeJson.Parse(File.ReadAllText(_folder.Recipe), _folder.Recipe);
                if (File.Exists(_folder.Origin))
                    _origin = RunJson.Parse<RunOrigin>(File.ReadAllText(_folder.Origin), _folder.Origin);
            }

            _recipe.Validate();
            AtomicWrite.AllText(_folder.Origin, RunJson.Document(_origin) + "\n");
            AtomicWrite.AllText(_folder.Recipe, RecipeJson.Indented(_recipe) + "\n");
            _log = new StageLog(_folder);
        }

        private void Plan(IDocumentSource source)
        {
            var shape = ModelReport.ShapeOf(_recipe);
            var layout = new ParameterLayout(shape);
            var t = _recipe.Training;
            var activations = (long)t.MicroBatch * _recipe.Model.Context * shape.Layers * (10L * shape.Width + 3L * shape.FeedForward) * 4;
            var memory = request.Replicas * ((26L + 4L * t.Lanes) * layout.TotalCount + activations) + 6 * source.TotalBytes + (300L << 20);
            double? seconds = _log.Done.Any(s => s.Name == StageNames.Plan) ? null : _origin.Minutes * 60;
            observer.Planned(new RunPlan(source.Description, source.TotalBytes, _recipe, layout.ParameterCount, seconds, memory, _folder, [.. _log.Done.Select(s => s.Name)]));
        }

        /// <summary>The three stages of data: all skipped or all done, for the corpus between them is not kept.</summary>
        private DataOutput PrepareData(IDocumentSource source)
        {
            var ready = _recipe.Tokenizer.Kind == TokenizerKind.Bpe ? (source as BuiltCorpusSource)?.Tokenizer(_recipe.Tokenizer.Vocabulary) : null;
            var corpusInput = StageLog.HashOf(
            [
                source.Description, source.TotalBytes.ToString(CultureInfo.InvariantCulture), RunJson.Line(_recipe.Corpus), Count((long)_recipe.Seed),
                .. ready is null ? (string[])[] : [TokenizerFile.Sha256(ready)],
            ]);
            if (FindData(corpusInput) is { } done)
                return done;

            var stages = new DataStages(_folder, _recipe, observer, runner.Data);
            var corpus = Timed(StageNames.Corpus, source.Description, () =>
            {
                var made = stages.Curate(source, cancellation);
                var report = made.Report;
                return (made, corpusInput, StageLog.HashOf(report.ContentSha256, report.DialoguesSha256), new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["read"] = $"{Number(report.BytesIn / 1e6, "0.0")} MB",
                    ["kept"] = $"{Number(report.BytesOut / 1e6, "0.0")} MB in {Count(made.Train.Count + made.Validation.Count + made.Test.Count)} documents",
                    ["conversations"] = Count(made.Dialogues.Train.Count),
                    ["overlap_13_grams"] = Number(report.ValidationOverlap.Share * 100, "0.0") + " %",
                });
            });
            var corpusHash = _log.Done[^1].OutputSha256;
            var tokenizer = Timed(StageNames.Tokenizer, ready is null ? "learning the vocabulary" : "the corpus' vocabulary", () =>
            {
                var made = stages.Tokenize(corpus, ready, cancellation);
                return (made, StageLog.HashOf(corpusHash, RunJson.Line(_recipe.Tokenizer)), TokenizerFile.Sha256(made), new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["vocabulary"] = Count(made.VocabularySize),
                });
            });
            var tokenizerHash = _log.Done[^1].OutputSha256;
            var rowLength = Timed(StageNames.Shards, "text to ids on disk", () =>
            {
                var (row, figures) = stages.WriteShards(corpus, tokenizer, cancellation);
                return (row, StageLog.HashOf(corpusHash, tokenizerHash, RunJson.Line(_recipe.FineTuning)), DatasetsHash(), figures);
            });
            return new DataOutput(tokenizer, rowLength, _log.Done[^1].OutputSha256);
        }

        private DataOutput? FindData(string corpusInput)
        {
            var records = ((string[])[StageNames.Corpus, StageNames.Tokenizer, StageNames.Shards]).Select(name => _log.Done.FirstOrDefault(s => s.Name == name)).ToArray();
            if (Array.Exists(records, r => r is null) || records[0]!.InputSha256 != corpusInput || !File.Exists(_folder.Tokenizer) || DatasetsHash() != records[2]!.OutputSha256)
                return null;
            var tokenizer = TokenizerFile.Load(_folder.Tokenizer);
            if (TokenizerFile.Sha256(tokenizer) != records[1]!.OutputSha256)
                return null;
            foreach (var record in records)
                observer.StageFinished(record!, skipped: true);
            var rowLength = 0;
            if (Directory.Exists(_folder.Dataset(Datasets.Dialogues)))
            {
                using var rows = ShardReader.Open(_folder.Dataset(Datasets.Dialogues));
                rowLength = rows.Index.RowLength - 1;
            }

            return new DataOutput(tokenizer, rowLength, records[2]!.OutputSha256);
        }

        /// <summary>Of the hashes that the datasets' indexes hold, in order of names.</summary>
        private string DatasetsHash()
        {
            var parts = new List<string>();
            foreach (var dataset in ((string[])[Datasets.Train, Datasets.TrainBest, Datasets.Validation, Datasets.Dialogues, Datasets.DialoguesValidation])
                .Where(d => Directory.Exists(_folder.Dataset(d))))
            {
                using var reader = ShardReader.Open(_folder.Dataset(dataset));
                parts.AddRange(reader.Index.Files.SelectMany(f => (string[])[dataset, f.Sha256, f.MaskSha256 ?? ""]));
            }

            return StageLog.HashOf(parts);
        }

        /// <summary>Writes out everything that was left to data, machine and clock. No clock is read after this for a decision.</summary>
        private void SettlePlan(DataOutput data)
        {
            if (_log.Done.FirstOrDefault(s => s.Name == StageNames.Plan) is { } done && done.OutputSha256 == RecipeJson.Hash(_recipe))
            {
                observer.StageFinished(done, skipped: true);
                return;
            }

            _recipe = Timed(StageNames.Plan, _origin.Minutes is null ? "settling the recipe" : "measuring this machine", () =>
            {
                var recipe = _recipe.Resolved(data.Tokenizer.VocabularySize, data.RowLength, MachineCalibration.BestPrecision);
                var figures = new Dictionary<string, string>(StringComparer.Ordinal);
                if (_origin.Minutes is { } minutes)
                {
                    var rate = MachineCalibration.MeasureTokensPerSecond(EngineOptions.Of(recipe, new PretrainingSchedule(recipe).MicroBatchTokens), recipe.Model.Context, request.Replicas, Math.Clamp(minutes, 1, 4));
                    var left = minutes * 60 * (1 - ReserveShare) - ReserveSeconds - runner.SinceStart().TotalSeconds;
                    recipe = StepBudget.Fit(recipe, left, rate);
                    recipe.Validate();
                    figures["measured"] = $"{Count((long)rate)} tokens/s";
                }

                figures["parameters"] = Count(new ParameterLayout(recipe.Model).ParameterCount);
                figures["steps"] = $"{Count(recipe.Training.Steps)} and {Count(recipe.FineTuning.Steps)}";
                figures["tokens"] = Count(new PretrainingSchedule(recipe).TokensUntil(recipe.Training.Steps));
                AtomicWrite.AllText(_folder.Recipe, RecipeJson.Indented(recipe) + "\n");
                return (recipe, data.Hash, RecipeJson.Hash(recipe), figures);
            });
        }

        private async Task<TrainingOutput> TrainAsync(string stage, string? startFrom, Lazy<double> peak)
        {
            var schedule = StageSchedule.Of(_recipe, stage);
            var last = stage == StageNames.Pretraining && StopsEarly ? request.StopAfter!.Value : schedule.Steps;
            var key = TrainingJob.KeyOf(_folder.Name, stage);
            var training = runner.Grains.GetGrain<ITrainingRunGrain>(key);
            var input = StageLog.HashOf(RecipeJson.Hash(_recipe), Count(last));
            if (await IsAtAsync(training, stage, last, input))
            {
                // It never stopped, or came to its end meanwhile: only whoever watched it was lost.
                observer.StageStarted(stage, "goes on");
                return await TrainedAsync(training, stage, schedule, last, input);
            }

            var checkpoints = runner.Grains.GetGrain<ICheckpointGrain>(key);
            await checkpoints.OpenAsync(new CheckpointFolder(_folder.Path, stage, _recipe.Training.KeepCheckpoints, RecipeJson.Canonical(_recipe)));
            var found = await checkpoints.FindLatestAsync();
            foreach (var warning in found.Warnings)
                observer.Warned(warning);
            var checkpoint = found.Checkpoint;
            if (checkpoint is not null && _log.Find(stage, input) is { } done && done.OutputSha256 == checkpoint.WeightsSha256)
            {
                observer.StageFinished(done, skipped: true);
                return new TrainingOutput(done, checkpoint, Double(done, "validation_loss"));
            }

            if (checkpoint?.Steps > last)
            {
                throw new UserErrorException($"The run has trained {checkpoint.Steps} steps, more than the {last} asked for.",
                    "Ask for more steps, or start in a new folder.");
            }

            if (checkpoint is not null)
            {
                _origin = _origin with { CheckpointsLoaded = _origin.CheckpointsLoaded + 1 };
                AtomicWrite.AllText(_folder.Origin, RunJson.Document(_origin) + "\n");
            }

            observer.StageStarted(stage, checkpoint is null ? $"{Count(last)} steps on {request.Replicas} replicas" : $"goes on after step {Count(checkpoint.Steps)} of {Count(last)}");
            string[] replicas = request.SlotsPerSilo > 0 ? [] : [.. Enumerable.Range(0, request.Replicas)
                .Select(i => new ReplicaKey(key, request.Silos[i % request.Silos.Count], i / request.Silos.Count).ToString())];
            var job = new TrainingJob(_folder.Name, stage, RecipeJson.Canonical(_recipe), _folder.Path, replicas, checkpoint?.Steps ?? 0, last,
                checkpoint?.Path ?? startFrom, RandomNumberGenerator.GetBytes(32), request.SlotsPerSilo);
            await training.StartAsync(new TrainingRunRequest(
                job, checkpoint?.Seconds ?? 0, checkpoint?.BestValidationLoss, checkpoint?.ValidationsWithoutImprovement ?? 0, peak.Value,
                job.Stage == StageNames.Pretraining ? ToBitsPerByte(1) : null, request.SubmittedAt));
            return await TrainedAsync(training, stage, schedule, last, input);
        }

        /// <summary>Whether this very stage is being trained, or came to its end without anybody having noted it.</summary>
        private async Task<bool> IsAtAsync(ITrainingRunGrain training, string stage, long last, string input)
        {
            if (await training.GetRequestAsync() is not { } other || other.Job.RecipeJson != RecipeJson.Canonical(_recipe)
                || other.Job.RunPath != _folder.Path || other.Job.LastStep != last)
            {
                return false;
            }

            return await training.GetStatusAsync() switch
            {
                { State: "running" or "paused" } => true,
                // Somebody ended this order of the run (the last silo does, when it leaves) while its runner was moving: not to be begun again.
                { State: "cancelled" } => request.SubmittedAt is { } at && other.SubmittedAt == at,
                { State: "finished", Checkpoint: { } checkpoint } => _log.Find(stage, input) is null && Directory.Exists(checkpoint.Path),
                _ => false,
            };
        }

        /// <summary>Watches a stage to its end.</summary>
        private async Task<TrainingOutput> TrainedAsync(ITrainingRunGrain training, string stage, StageSchedule schedule, long last, string input)
        {
            var status = await WatchAsync(training, stage, last);
            switch (status.State)
            {
                case "cancelled":
                    throw new OperationCanceledException($"Stopped after step {status.Steps}.", cancellation);
                case "failed":
                    throw new UserErrorException($"The stage {stage} stopped after step {status.Steps}: {status.Reason}",
                        "Run again, it goes on from the last checkpoint.");
            }

            if (status.Reason is { } reason)
                observer.Warned(reason);
            if (status.CheckpointsLoaded > 0)
            {
                _origin = _origin with { CheckpointsLoaded = _origin.CheckpointsLoaded + status.CheckpointsLoaded };
                AtomicWrite.AllText(_folder.Origin, RunJson.Document(_origin) + "\n");
            }

            var trained = schedule.TokensUntil(status.Steps);
            var record = new StageRecord(stage, status.Seconds, input, status.Checkpoint!.WeightsSha256, new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["steps"] = Count(status.Steps),
                ["tokens"] = Count(trained),
                ["tokens_per_second"] = Count((long)(trained / Math.Max(1e-9, status.Seconds))),
                ["validation_loss"] = Number(status.ValidationLoss!.Value, "R"),
            });
            if (stage == StageNames.Pretraining && status.Memory is { } memory)
            {
                _replicaBytes = new Dictionary<string, long>(StringComparer.Ordinal)
                {
                    ["weights"] = memory.Weights,
                    ["moments"] = memory.Moments,
                    ["gradients"] = memory.Gradients,
                    ["activations"] = memory.Activations,
                };
            }

            _log.Add(record);
            observer.StageFinished(record, skipped: false);
            return new TrainingOutput(record, status.Checkpoint, status.ValidationLoss.Value);
        }

        /// <summary>Passes metrics on and has the model write the same prompt now and then, until the stage ends.</summary>
        private async Task<TrainingStatus> WatchAsync(ITrainingRunGrain training, string stage, long last)
        {
            var prompt = SamplePromptOf(stage);
            var sampled = Stopwatch.GetTimestamp();
            Task sampling = Task.CompletedTask;
            long seen = 0;
            var alerts = 0;
            await using var cancelling = cancellation.Register(() => training.CancelAsync().Ignore());
            while (true)
            {
                var status = await GrainCalls.RetryAsync(() => training.WaitAsync(seen), leave).WaitAsync(leave);
                seen = status.Next;
                foreach (var line in status.Metrics)
                    observer.Trained(RunJson.Parse<MetricPoint>(line, "A line of metrics"), last);
                // A driver that takes over has none of the earlier one's.
                alerts = Math.Min(alerts, status.Alerts.Count);
                foreach (var alert in status.Alerts.Skip(alerts))
                    observer.Warned(alert);
                alerts = status.Alerts.Count;
                if (status.State is not ("running" or "paused"))
                {
                    await sampling;
                    return status;
                }

                if (prompt is not null && sampling.IsCompleted && Stopwatch.GetElapsedTime(sampled) >= s_sampleInterval)
                {
                    sampled = Stopwatch.GetTimestamp();
                    sampling = SampleAsync(training, stage, prompt);
                }
            }
        }

        private SamplePrompt? SamplePromptOf(string stage)
        {
            if (request.SamplePrompt is not { } text)
                return null;
            var tokenizer = TokenizerFile.Load(_folder.Tokenizer);
            if (stage == StageNames.Pretraining)
                return new SamplePrompt(tokenizer, text, [tokenizer.Special.BeginOfText, .. tokenizer.Encode(text)]);
            return HeldOut() is [var first, ..]
                ? new SamplePrompt(tokenizer, first.Question, new ChatTemplate(tokenizer).RenderPrompt([new ChatMessage(ChatRole.User, first.Question)]))
                : null;
        }

        private async Task SampleAsync(ITrainingRunGrain training, string stage, SamplePrompt prompt)
        {
            var reply = await training.SampleAsync(new SampleRequest(prompt.Ids, SampleTokens, [prompt.Tokenizer.Special.EndOfText]));
            if (reply is null)
                return;
            var sample = new Sample(stage, reply.Steps, Math.Round(runner.SinceStart().TotalSeconds, 1), prompt.Text, prompt.Tokenizer.Decode(reply.Ids));
            File.AppendAllText(_folder.Samples, RunJson.Line(sample) + "\n");
            observer.Sampled(sample);
        }

        /// <summary>Asks the model the held-out questions, greedily.</summary>
        private (IReadOnlyList<Sample> Shown, double? Overlap) Evaluate()
        {
            var questions = HeldOut();
            if (questions.Count == 0)
                return ([], null);
            return Timed<(IReadOnlyList<Sample>, double?)>(StageNames.Evaluation, $"{questions.Count} held-out questions", () =>
            {
                using var model = RunModel.Open(_folder, observer.Warned);
                var earlier = RunJson.ReadLines<Sample>(_folder.Samples).Where(s => s.Expected is null).ToList();
                var shown = new List<Sample>();
                double sum = 0;
                for (var i = 0; i < questions.Count; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    var question = questions[i];
                    var options = new GenerationOptions { Temperature = 0, MaxTokens = Math.Min(96, _recipe.Model.MaxContext / 2) };
                    var text = string.Concat(model.Reply([new ChatMessage(ChatRole.User, question.Question)], options, cancellation).Select(t => t.Text));
                    sum += WordOverlap.F1(text, question.Answer);
                    observer.StageProgress(StageNames.Evaluation, (i + 1.0) / questions.Count, "asking");
                    if (shown.Count < request.HeldOutQuestions)
                    {
                        shown.Add(new Sample(StageNames.FineTuning, model.Weights.Step, Math.Round(runner.SinceStart().TotalSeconds, 1),
                            question.Question, text, question.Answer));
                        observer.Sampled(shown[^1]);
                    }
                }

                AtomicWrite.AllText(_folder.Samples, string.Concat(earlier.Concat(shown).Select(s => RunJson.Line(s) + "\n")));
                var overlap = sum / questions.Count;
                var figures = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["questions"] = Count(questions.Count),
                    ["word_f1"] = Number(overlap, "0.000"),
                };
                var hash = StageLog.HashOf(shown.Select(s => s.Text));
                return ((shown, overlap), model.Weights.Sha256, hash, figures);
            });
        }

        private RunSummary Summarise(TrainingOutput pretrained, TrainingOutput? tuned, double peak, IReadOnlyList<Sample> heldOut, double? overlap)
        {
            var metrics = RunJson.ReadLines<MetricPoint>(_folder.Metrics);
            var losses = metrics.Where(m => m is { Stage: StageNames.Pretraining, Loss: not null }).Select(m => m.Loss!.Value).ToArray();
            var tail = Math.Clamp(losses.Length / 10, 1, 100);
            var schedule = new PretrainingSchedule(_recipe);
            var tokens = schedule.TokensUntil(pretrained.Checkpoint.Steps);
            var rate = tokens / Math.Max(1e-9, pretrained.Record.Seconds);
            var summary = new RunSummary
            {
                Run = _folder.Name,
                WeightsSha256 = (tuned ?? pretrained).Checkpoint.WeightsSha256,
                Steps = pretrained.Checkpoint.Steps + (tuned?.Checkpoint.Steps ?? 0),
                Tokens = tokens + (tuned is null ? 0 : new FineTuningSchedule(_recipe).TokensUntil(tuned.Checkpoint.Steps)),
                TrainLoss = losses.Length == 0 ? 0 : losses[^Math.Min(tail, losses.Length)..].Average(),
                ValidationLoss = pretrained.ValidationLoss,
                ValidationBitsPerByte = ToBitsPerByte(pretrained.ValidationLoss),
                DialogueValidationLoss = tuned?.ValidationLoss,
                HeldOutWordF1 = overlap,
                TokensPerSecond = rate,
                Mfu = peak > 0 ? rate * ModelFlops.TrainingPerToken(_recipe.Model, _recipe.Model.Context) / peak : 0,
                PeakGflops = peak / 1e9,
                Parameters = new ParameterLayout(_recipe.Model).ParameterCount,
                Replicas = request.Replicas,
                Seconds = _log.Done.Sum(s => s.Seconds),
                PeakMemoryBytes = Process.GetCurrentProcess().PeakWorkingSet64,
                ReplicaBytes = _replicaBytes,
                CheckpointsLoaded = _origin.CheckpointsLoaded,
                RecipeSha256 = RecipeJson.Hash(_recipe),
                Recipe = _recipe,
                Stages = _log.Done,
            };
            AtomicWrite.AllText(_folder.Summary, RunJson.Document(summary) + "\n");
            var corpus = File.Exists(_folder.CorpusReport) ? CorpusReport.FromJson(File.ReadAllText(_folder.CorpusReport), _folder.CorpusReport) : null;
            RunReport.Write(_folder, summary, metrics, RunJson.ReadLines<Sample>(_folder.Samples).Where(s => s.Expected is null).ToArray(), heldOut, corpus);
            observer.Finished(summary);
            return summary;
        }

        /// <summary>Over the validation tokens that the loss is the mean of.</summary>
        private double ToBitsPerByte(double loss)
        {
            var tokenizer = TokenizerFile.Load(_folder.Tokenizer);
            using var stream = ShardReader.Open(_folder.Dataset(Datasets.Validation));
            var count = Shards.PretrainingStepSource.ValidationTokens(_recipe, stream.Index.Tokens);
            var ids = new int[count];
            stream.Read(1, ids);
            var bytes = ids.Where(id => !tokenizer.Special.Contains(id)).Sum(id => (long)tokenizer.TokenBytes(id).Length);
            return BitsPerByte.From(loss, count, Math.Max(1, bytes));
        }

        private IReadOnlyList<HeldOutQuestion> HeldOut() =>
            File.Exists(_folder.HeldOut) ? RunJson.Parse<HeldOutQuestion[]>(File.ReadAllText(_folder.HeldOut), _folder.HeldOut) : [];

        /// <summary>Does a stage, notes it and says so.</summary>
        private T Timed<T>(string stage, string what, Func<(T Result, string Input, string Output, IReadOnlyDictionary<string, string> Figures)> work)
        {
            cancellation.ThrowIfCancellationRequested();
            observer.StageStarted(stage, what);
            var shown = stage is StageNames.Corpus or StageNames.Tokenizer or StageNames.Shards ? runner.Data : null;
            shown?.Progress(_folder.Name, stage, 0);
            var start = Stopwatch.GetTimestamp();
            var (result, input, output, figures) = work();
            var record = new StageRecord(stage, Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3), input, output, figures);
            shown?.Finished(_folder.Name, stage, record.Seconds);
            _log.Add(record);
            observer.StageFinished(record, skipped: false);
            return result;
        }

        private static double Double(StageRecord record, string figure) =>
            double.Parse(record.Figures[figure], NumberStyles.Float, CultureInfo.InvariantCulture);

        private sealed record DataOutput(ITokenizer Tokenizer, int RowLength, string Hash);

        private sealed record TrainingOutput(StageRecord Record, CheckpointInfo Checkpoint, double ValidationLoss);

        private sealed record SamplePrompt(ITokenizer Tokenizer, string Text, int[] Ids);
    }

    private IGrainFactory Grains => grains;

    private Func<TimeSpan> SinceStart => sinceStart;

    private DataInstruments? Data => data;
}
