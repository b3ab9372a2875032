using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Cluster.Model.Runtime;
using TorchSharp;

namespace Cluster.Model.Tests.Runtime;

public class TensorArithmeticTests
{
    [Fact]
    public void Operations_ComputeWhatTheirNamesSay()
    {
        TorchRuntime.EnsureLoaded();
        using var scope = torch.NewDisposeScope();
        torch.Tensor x = torch.tensor(new float[] { 1, 2, 3 }), y = torch.tensor(new float[] { 10, 20, 30 });

        Assert.Equal([11f, 22, 33], Floats(x.Plus(y)));
        Assert.Equal([-9f, -18, -27], Floats(x.Minus(y)));
        Assert.Equal([1.5f, 2.5f, 3.5f], Floats(x.Plus(0.5f)));
        Assert.Equal([2.5f, 5, 7.5f], Floats(x.Times(2.5f)));
        Assert.Equal([7f, 7, 3], Floats(x.Filled(x.less(torch.tensor(new float[] { 2, 3, 3 })), 7)));
        Assert.Equal([4L, 5, 6], TensorArithmetic.Integers(4, 7, torch.CPU).data<long>().ToArray());

        static float[] Floats(torch.Tensor tensor) => tensor.data<float>().ToArray();
    }

    /// <summary>A collection in the wrong microsecond cannot be made to happen, but a compiled program tells what it calls.</summary>
    [Fact]
    public void Assembly_CallsNothingWithAHiddenNumber()
    {
        using var file = new PEReader(File.OpenRead(typeof(TorchRuntime).Assembly.Location));
        var metadata = file.GetMetadataReader();
        var hidden = Calls("Tensor", "op_Addition", "op_Subtraction").Concat(Calls("Scalar", "op_Implicit")).ToList();
        var callers = new HashSet<string>(StringComparer.Ordinal);
        foreach (var handle in metadata.MethodDefinitions)
        {
            var method = metadata.GetMethodDefinition(handle);
            if (method.RelativeVirtualAddress == 0)
                continue;
            var code = file.GetMethodBody(method.RelativeVirtualAddress).GetILBytes()!;
            if (hidden.Exists(call => code.AsSpan().IndexOf(call) >= 0))
                callers.Add(metadata.GetString(metadata.GetTypeDefinition(method.GetDeclaringType()).Name));
        }

        Assert.Equal([nameof(TensorArithmetic)], callers);

        // call, and the member's token.
        IEnumerable<byte[]> Calls(string type, params string[] names) => metadata.MemberReferences
            .Where(handle => metadata.GetMemberReference(handle) is var member && names.Contains(metadata.GetString(member.Name))
                && member.Parent.Kind == HandleKind.TypeReference
                && metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)member.Parent).Name) == type)
            .Select(handle => (byte[])[(byte)ILOpCode.Call, .. BitConverter.GetBytes(metadata.GetToken(handle))]);
    }
}
