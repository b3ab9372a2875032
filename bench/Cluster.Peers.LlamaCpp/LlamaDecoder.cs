// A model in llama.cpp, prompt by prompt and step by step. Enters: token ids. Leaves: logits. Does not know: how time is measured.
using System.Runtime.InteropServices;

namespace Cluster.Peers.LlamaCpp;

/// <summary>A context of llama.cpp with a sequence for each member of a batch.</summary>
internal sealed unsafe class LlamaDecoder : IDisposable
{
    private readonly LlamaLibrary _library;
    private readonly int _vocabulary, _longest;
    private readonly nint _context, _threads, _memory;
    private readonly LlamaBatch _batch;
    private readonly int[] _lengths;
    private readonly delegate* unmanaged[Cdecl]<nint, LlamaBatch, int> _decode;
    private readonly delegate* unmanaged[Cdecl]<nint, int, float*> _logits;

    /// <param name="library">To use.</param>
    /// <param name="model">Of it.</param>
    /// <param name="vocabulary">Logits of a row.</param>
    /// <param name="longest">Tokens of a sequence.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="threads">That compute prompts and steps.</param>
    /// <param name="settings">See there.</param>
    public LlamaDecoder(LlamaLibrary library, nint model, int vocabulary, int longest, int batch, int threads, LlamaSettings settings)
    {
        (_library, _vocabulary, _longest, _lengths) = (library, vocabulary, longest, new int[batch]);
        _context = library.CreateContext(model, batch * longest, batch, settings);
        ((delegate* unmanaged[Cdecl]<nint, int, int, void>)library.Of("llama_set_n_threads"))(_context, threads, threads);
        _threads = library.CreateThreads(threads);
        ((delegate* unmanaged[Cdecl]<nint, nint, nint, void>)library.Of("llama_attach_threadpool"))(_context, _threads, _threads);
        _memory = ((delegate* unmanaged[Cdecl]<nint, nint>)library.Of("llama_get_memory"))(_context);
        _decode = (delegate* unmanaged[Cdecl]<nint, LlamaBatch, int>)library.Of("llama_decode");
        _logits = (delegate* unmanaged[Cdecl]<nint, int, float*>)library.Of("llama_get_logits_ith");
        var most = Math.Max(longest, batch);
        var numbers = (int*)NativeMemory.AllocZeroed((nuint)most, 4 * sizeof(int));
        var sequences = (int**)NativeMemory.AllocZeroed((nuint)most, (nuint)sizeof(int*));
        var outputs = (byte*)NativeMemory.AllocZeroed((nuint)most);
        _batch = new LlamaBatch(0, numbers, numbers + most, numbers + 2 * most, sequences, outputs);
        for (var i = 0; i < most; i++)
        {
            _batch.SequenceCounts[i] = 1;
            _batch.Sequences[i] = numbers + 3 * most + i;
        }
    }

    /// <summary>Forgets all sequences and lets the threads work.</summary>
    public void Start()
    {
        Array.Clear(_lengths);
        ((delegate* unmanaged[Cdecl]<nint, byte, void>)_library.Of("llama_memory_clear"))(_memory, 0);
        ((delegate* unmanaged[Cdecl]<nint, void>)_library.Cpu("ggml_threadpool_resume"))(_threads);
    }

    /// <summary>Has the threads sleep, so that they take no core from what is measured next.</summary>
    public void Stop() => ((delegate* unmanaged[Cdecl]<nint, void>)_library.Cpu("ggml_threadpool_pause"))(_threads);

    /// <summary>Computes a prompt of one sequence.</summary>
    /// <returns>The last token's logits, valid until the next call.</returns>
    public ReadOnlySpan<float> Prefill(int member, ReadOnlySpan<int> ids)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_lengths[member] + ids.Length, _longest, nameof(ids));
        for (var i = 0; i < ids.Length; i++)
            Row(i, ids[i], member, i == ids.Length - 1);
        return Run(ids.Length, ids.Length - 1);
    }

    /// <summary>Computes one token for each sequence.</summary>
    /// <returns>The last sequence's logits, valid until the next call; those of the others are computed too.</returns>
    public ReadOnlySpan<float> Decode(ReadOnlySpan<int> ids)
    {
        for (var i = 0; i < ids.Length; i++)
            Row(i, ids[i], i, true);
        return Run(ids.Length, ids.Length - 1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        ((delegate* unmanaged[Cdecl]<nint, void>)_library.Of("llama_free"))(_context);
        ((delegate* unmanaged[Cdecl]<nint, void>)_library.Cpu("ggml_threadpool_free"))(_threads);
        NativeMemory.Free(_batch.Tokens);
        NativeMemory.Free(_batch.Sequences);
        NativeMemory.Free(_batch.Outputs);
    }

    private void Row(int row, int id, int member, bool output)
    {
        _batch.Tokens[row] = id;
        _batch.Positions[row] = _lengths[member]++;
        _batch.Sequences[row][0] = member;
        _batch.Outputs[row] = output ? (byte)1 : (byte)0;
    }

    private ReadOnlySpan<float> Run(int rows, int wanted)
    {
        var batch = _batch;
        batch.Count = rows;
        var failed = _decode(_context, batch);
        if (failed != 0)
            throw new InvalidOperationException($"llama_decode returned {failed}");
        return new ReadOnlySpan<float>(_logits(_context, wanted), _vocabulary);
    }
}
