// Enters: the driver's management library, where there is one. Leaves: figures of its GPUs. Does not know: instruments.
using System.Runtime.InteropServices;
using System.Text;

namespace Cluster.Silo.Hosting.Gpu;

/// <summary>
/// NVIDIA's management library, loaded where the driver is installed; the names and structures are those of nvml.h ("NVML API Reference"). A
/// call that fails gives no figure: not every device has each of them.
/// </summary>
internal sealed unsafe class Nvml : IGpus
{
    private const string Library = "libnvidia-ml.so.1";
    private const int Success = 0, UuidSize = 96, NameSize = 96, Die = 0;
    private const double PercentInOne = 100, MilliwattsInWatt = 1_000;

    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _utilization;
    private readonly delegate* unmanaged[Cdecl]<nint, ulong*, int> _memory;
    private readonly delegate* unmanaged[Cdecl]<nint, int, uint*, int> _temperature;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _power;
    private readonly (nint Handle, string Id, string Name)[] _devices;

    private Nvml(Func<string, nint> find)
    {
        _utilization = (delegate* unmanaged[Cdecl]<nint, uint*, int>)find("nvmlDeviceGetUtilizationRates");
        _memory = (delegate* unmanaged[Cdecl]<nint, ulong*, int>)find("nvmlDeviceGetMemoryInfo");
        _temperature = (delegate* unmanaged[Cdecl]<nint, int, uint*, int>)find("nvmlDeviceGetTemperature");
        _power = (delegate* unmanaged[Cdecl]<nint, uint*, int>)find("nvmlDeviceGetPowerUsage");
        _devices = Devices(find);
    }

    /// <inheritdoc/>
    public int Count => _devices.Length;

    /// <summary>The library of this machine; null where there is no driver, or one that does not answer.</summary>
    public static IGpus? Load() =>
        NativeLibrary.TryLoad(Library, out var library) ? Load(symbol => NativeLibrary.TryGetExport(library, symbol, out var address) ? address : 0) : null;

    /// <summary>A library whose functions are found by name.</summary>
    /// <param name="find">A function's address; 0 where there is none of that name.</param>
    /// <returns>Null where it cannot be begun with.</returns>
    public static IGpus? Load(Func<string, nint> find)
    {
        // Begun once and never ended: other parts of this process may use it, and the system takes it back with the process.
        var begin = (delegate* unmanaged[Cdecl]<int>)find("nvmlInit_v2");
        return begin is not null && begin() == Success ? new Nvml(find) : null;
    }

    /// <inheritdoc/>
    public IReadOnlyList<GpuFigures> Read() => [.. _devices.Select(Read)];

    private GpuFigures Read((nint Handle, string Id, string Name) device)
    {
        // nvmlUtilization_t: gpu, memory, in percent. nvmlMemory_t: total, free, used, in bytes.
        uint* rates = stackalloc uint[2];
        ulong* memory = stackalloc ulong[3];
        uint celsius, milliwatts;
        var hasMemory = _memory is not null && _memory(device.Handle, memory) == Success;
        return new GpuFigures(
            device.Id, device.Name,
            _utilization is not null && _utilization(device.Handle, rates) == Success ? rates[0] / PercentInOne : null,
            hasMemory ? (long)memory[2] : null, hasMemory ? (long)memory[0] : null,
            _temperature is not null && _temperature(device.Handle, Die, &celsius) == Success ? celsius : null,
            _power is not null && _power(device.Handle, &milliwatts) == Success ? milliwatts / MilliwattsInWatt : null);
    }

    private static (nint Handle, string Id, string Name)[] Devices(Func<string, nint> find)
    {
        var count = (delegate* unmanaged[Cdecl]<uint*, int>)find("nvmlDeviceGetCount_v2");
        var handleOf = (delegate* unmanaged[Cdecl]<uint, nint*, int>)find("nvmlDeviceGetHandleByIndex_v2");
        var id = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)find("nvmlDeviceGetUUID");
        var name = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)find("nvmlDeviceGetName");
        uint number;
        if (count is null || handleOf is null || count(&number) != Success)
            return [];
        var devices = new List<(nint, string, string)>();
        for (var i = 0u; i < number; i++)
        {
            nint handle;
            // One that has fallen off its bus is not there.
            if (handleOf(i, &handle) == Success)
                devices.Add((handle, Text(id, handle, UuidSize) ?? $"{i}", Text(name, handle, NameSize) ?? ""));
        }

        return [.. devices];
    }

    private static string? Text(delegate* unmanaged[Cdecl]<nint, byte*, uint, int> read, nint handle, int size)
    {
        byte* text = stackalloc byte[size];
        if (read is null || read(handle, text, (uint)size) != Success)
            return null;
        var bytes = new ReadOnlySpan<byte>(text, size);
        return Encoding.UTF8.GetString(bytes[..Math.Max(0, bytes.IndexOf((byte)0))]);
    }
}
