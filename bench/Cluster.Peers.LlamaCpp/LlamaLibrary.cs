// llama.cpp's C functions, by name, of whatever build of it is given. Enters: a folder with its libraries. Leaves: function pointers.
// Does not know: models, what is measured.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cluster.Core.Errors;

namespace Cluster.Peers.LlamaCpp;

/// <summary>
/// Room for any structure that goes by value: the callee reads as much of it as it knows of (System V's calling convention).
/// </summary>
[InlineArray(1_024)]
internal struct Blob
{
    private byte _first;
}

/// <summary>llama_batch.</summary>
/// <param name="count">Rows.</param>
/// <param name="tokens">[rows]; embeddings could be given instead.</param>
/// <param name="positions">[rows], in their sequences.</param>
/// <param name="sequenceCounts">[rows], 1 each.</param>
/// <param name="sequences">[rows][1], the sequence of each.</param>
/// <param name="outputs">[rows], 1 where logits are wanted.</param>
internal unsafe struct LlamaBatch(int count, int* tokens, int* positions, int* sequenceCounts, int** sequences, byte* outputs)
{
    public int Count = count;
    public readonly int* Tokens = tokens;
    public readonly float* Embeddings = null;
    public readonly int* Positions = positions;
    public readonly int* SequenceCounts = sequenceCounts;
    public readonly int** Sequences = sequences;
    public readonly byte* Outputs = outputs;
}

/// <summary>
/// One build of llama.cpp on Linux x86-64. Parameters that its structures begin with have their places here; those behind them are found by
/// their defaults, since builds of a few months differ by a field there.
/// </summary>
internal sealed unsafe class LlamaLibrary
{
    private const int KeyType = 104, Fp16 = 1;
    private readonly nint _llama, _base, _cpu;

    /// <param name="folder">With libllama, libggml and libggml-base, and either libggml-cpu or several libggml-cpu-NAME.</param>
    /// <param name="cpu">The libggml-cpu-NAME to take; null for the one that llama.cpp takes on this machine.</param>
    /// <exception cref="UserErrorException">A library is missing or does not load.</exception>
    public LlamaLibrary(string folder, string? cpu)
    {
        _base = Load(folder, "libggml-base.so*");
        var single = Path.Combine(folder, "libggml-cpu.so");
        if (File.Exists(single))
            Load(folder, "libggml-cpu.so");
        Load(folder, "libggml.so*", "libggml.v*.so");
        _llama = Load(folder, "libllama.so*", "libllama.v*.so");
        var log = (delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<int, byte*, void*, void>, void*, void>)Of("llama_log_set");
        log(&Quiet, null);
        if (!File.Exists(single))
        {
            var registry = Load(folder, "libggml.so*", "libggml.v*.so");
            var whole = Path.GetFullPath(folder);
            var path = Marshal.StringToCoTaskMemUTF8(cpu is null ? whole : Path.Combine(whole, $"libggml-cpu-{cpu}.so"));
            if (cpu is null)
                ((delegate* unmanaged[Cdecl]<nint, void>)NativeLibrary.GetExport(registry, "ggml_backend_load_all_from_path"))(path);
            else if (((delegate* unmanaged[Cdecl]<nint, nint>)NativeLibrary.GetExport(registry, "ggml_backend_load"))(path) == 0)
                throw new UserErrorException($"--cpu is \"{cpu}\", which does not run here.", $"Give one of those in {folder}, or none.");
            Marshal.FreeCoTaskMem(path);
        }

        var mapping = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.Contains("libggml-cpu", StringComparison.Ordinal))
            ?? throw new UserErrorException($"--llama is \"{folder}\", which has no libggml-cpu for this machine.", "Give another build.");
        Kernels = mapping[mapping.IndexOf('/', StringComparison.Ordinal)..];
        _cpu = NativeLibrary.Load(Kernels);
        ((delegate* unmanaged[Cdecl]<void>)Of("llama_backend_init"))();
    }

    /// <summary>The library whose kernels compute.</summary>
    public string Kernels { get; }

    /// <summary>What it says about instructions that it was built for.</summary>
    public string SystemInfo =>
        Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<nint>)Of("llama_print_system_info"))())!.Trim(' ', '|');

    /// <summary>Loads a model.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="mapped">Leaves weights in the file's pages, where they may be a little faster to read, instead of copying them.</param>
    /// <exception cref="UserErrorException">It is refused.</exception>
    public LlamaModel LoadModel(string path, bool mapped)
    {
        var parameters = ((delegate* unmanaged[Cdecl]<Blob>)Of("llama_model_default_params"))();
        // llama_load_mode: mmap or none.
        Set(ref parameters, 24, mapped ? 1 : 0);
        var name = Marshal.StringToCoTaskMemUTF8(path);
        var model = ((delegate* unmanaged[Cdecl]<nint, Blob, nint>)Of("llama_model_load_from_file"))(name, parameters);
        Marshal.FreeCoTaskMem(name);
        return model != 0
            ? new LlamaModel(model, () => ((delegate* unmanaged[Cdecl]<nint, void>)Of("llama_model_free"))(model))
            : throw new UserErrorException($"llama.cpp refuses {path}.", "Give a newer build of it.");
    }

    /// <summary>A context for some sequences.</summary>
    /// <param name="model">Its model.</param>
    /// <param name="tokens">Of all sequences together.</param>
    /// <param name="sequences">At most.</param>
    /// <param name="settings">See there.</param>
    public nint CreateContext(nint model, int tokens, int sequences, LlamaSettings settings)
    {
        var parameters = ((delegate* unmanaged[Cdecl]<Blob>)Of("llama_context_default_params"))();
        Set(ref parameters, 0, tokens);
        Set(ref parameters, 12, sequences);
        // rope_scaling_type, pooling_type, attention_type and flash_attn_type are −1 each, and the first four such words.
        var flash = Enumerable.Range(0, 16).First(word => Enumerable.Range(word, 4).All(w => Get(parameters, 4 * w) == -1)) * 4 + 12;
        Set(ref parameters, flash, settings.FlashAttention ? 1 : 0);
        // embeddings, offload_kqv, no_perf, op_offload; swa_full, kv_unified.
        if (Get(parameters, 128) != 0x01010100 || (Get(parameters, 132) & 0xFFFF) != 1)
            throw new UserErrorException("llama_context_params has another layout in this build.", "Give one that README.md names.");
        // type_k and type_v, fp16 by default.
        if (Get(parameters, KeyType) != Fp16 || Get(parameters, KeyType + 4) != Fp16)
            throw new UserErrorException("llama_context_params has another layout in this build.", "Give one that README.md names.");
        if (settings.QuantizedCache)
        {
            Set(ref parameters, KeyType, (int)GgmlType.Q8_0);
            Set(ref parameters, KeyType + 4, (int)GgmlType.Q8_0);
        }

        parameters[133] = settings.UnifiedCache ? (byte)1 : (byte)0;
        var context = ((delegate* unmanaged[Cdecl]<nint, Blob, nint>)Of("llama_init_from_model"))(model, parameters);
        return context != 0 ? context : throw new UserErrorException("llama.cpp makes no context.", "Give a newer build of it.");
    }

    /// <summary>A team of threads as its own programs make it: they look for work for a while before they sleep.</summary>
    public nint CreateThreads(int count)
    {
        var defaults = (delegate* unmanaged[Cdecl]<int, Blob>)NativeLibrary.GetExport(_base, "ggml_threadpool_params_default");
        var parameters = defaults(count);
        return ((delegate* unmanaged[Cdecl]<Blob*, nint>)Cpu("ggml_threadpool_new"))(&parameters);
    }

    /// <summary>A function of libllama.</summary>
    public void* Of(string function) => (void*)NativeLibrary.GetExport(_llama, function);

    /// <summary>A function of the library whose kernels compute.</summary>
    public void* Cpu(string function) => (void*)NativeLibrary.GetExport(_cpu, function);

    private static int Get(Blob blob, int at) => MemoryMarshal.Read<int>(((ReadOnlySpan<byte>)blob)[at..]);

    private static void Set(ref Blob blob, int at, int value) => MemoryMarshal.Write(((Span<byte>)blob)[at..], value);

    private static nint Load(string folder, params string[] patterns)
    {
        IEnumerable<string> found = Directory.Exists(folder) ? patterns.SelectMany(pattern => Directory.GetFiles(folder, pattern)) : [];
        var path = found.Order(StringComparer.Ordinal).FirstOrDefault() ?? throw new UserErrorException(
            $"--llama is \"{folder}\", which has no {patterns[0].TrimEnd('*')}.",
            "Give a folder with llama.cpp's libraries; README.md says where to get them.");
        return NativeLibrary.TryLoad(Path.GetFullPath(path), out var handle)
            ? handle
            : throw new UserErrorException($"{path} does not load.", "ldd says what it lacks; give a build for this system.");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Quiet(int level, byte* text, void* data)
    {
    }
}

/// <summary>A loaded model.</summary>
/// <param name="Handle">llama.cpp's.</param>
/// <param name="Free">Called once no context uses it any longer.</param>
internal sealed record LlamaModel(nint Handle, Action Free) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Free();
}

/// <summary>What is tried of llama.cpp's settings, since none is the fastest everywhere.</summary>
/// <param name="FlashAttention">Attention in one operation.</param>
/// <param name="UnifiedCache">One cache for all sequences instead of one for each.</param>
/// <param name="QuantizedCache">Keys and values in q8_0 instead of fp16.</param>
internal sealed record LlamaSettings(bool FlashAttention, bool UnifiedCache, bool QuantizedCache)
{
    /// <summary>Those that make a difference.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="quantized">Whether a quantised cache may be among them; it takes flash attention.</param>
    public static IEnumerable<LlamaSettings> All(int batch, bool quantized) =>
        from flash in (bool[])[true, false]
        from unified in batch == 1 ? (bool[])[false] : [false, true]
        from narrow in flash && quantized ? (bool[])[false, true] : [false]
        select new LlamaSettings(flash, unified, narrow);

    /// <inheritdoc/>
    public override string ToString() => $"flash attention {(FlashAttention ? "on" : "off")}{(UnifiedCache ? ", one cache" : "")}{(QuantizedCache ? ", its keys and values in q8_0" : "")}";
}
