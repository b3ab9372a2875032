using System.Runtime.InteropServices;
using System.Text;

namespace Cluster.Silo.Tests.Hosting.Gpu;

/// <summary>A management library of native functions, as the driver's: two GPUs, of which the second gives no power.</summary>
internal sealed unsafe class FakeNvml
{
    private const int NotSupported = 3;

    /// <summary>What the driver answers to the first call.</summary>
    public static int InitResult { get; set; }

    /// <summary>Devices that there are.</summary>
    public static uint Count { get; set; } = 2;

    /// <summary>An exported function's address; 0 where there is none of that name.</summary>
    public static nint Find(string symbol) => symbol switch
    {
        "nvmlInit_v2" => (nint)(delegate* unmanaged[Cdecl]<int>)&Init,
        "nvmlDeviceGetCount_v2" => (nint)(delegate* unmanaged[Cdecl]<uint*, int>)&GetCount,
        "nvmlDeviceGetHandleByIndex_v2" => (nint)(delegate* unmanaged[Cdecl]<uint, nint*, int>)&Handle,
        "nvmlDeviceGetUUID" => (nint)(delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)&Uuid,
        "nvmlDeviceGetName" => (nint)(delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)&Name,
        "nvmlDeviceGetUtilizationRates" => (nint)(delegate* unmanaged[Cdecl]<nint, uint*, int>)&Utilization,
        "nvmlDeviceGetMemoryInfo" => (nint)(delegate* unmanaged[Cdecl]<nint, ulong*, int>)&Memory,
        "nvmlDeviceGetTemperature" => (nint)(delegate* unmanaged[Cdecl]<nint, int, uint*, int>)&Temperature,
        "nvmlDeviceGetPowerUsage" => (nint)(delegate* unmanaged[Cdecl]<nint, uint*, int>)&Power,
        _ => 0,
    };

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Init() => InitResult;

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int GetCount(uint* count)
    {
        *count = Count;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Handle(uint index, nint* handle)
    {
        *handle = (nint)(index + 1);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Uuid(nint device, byte* text, uint size) => Write($"GPU-{device}", text, size);

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Name(nint device, byte* text, uint size) => Write("H100", text, size);

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Utilization(nint device, uint* rates)
    {
        (rates[0], rates[1]) = ((uint)device * 25, 7);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Memory(nint device, ulong* memory)
    {
        (memory[0], memory[1], memory[2]) = (80UL << 30, 60UL << 30, 20UL << 30);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Temperature(nint device, int sensor, uint* celsius)
    {
        *celsius = sensor == 0 ? 40 + (uint)device : 0;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Power(nint device, uint* milliwatts)
    {
        *milliwatts = 350_500;
        return device == 1 ? 0 : NotSupported;
    }

    private static int Write(string value, byte* text, uint size)
    {
        var bytes = Encoding.UTF8.GetBytes(value + "\0");
        bytes.CopyTo(new Span<byte>(text, (int)size));
        return 0;
    }
}
