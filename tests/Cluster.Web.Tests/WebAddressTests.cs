using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Web.Tests;

public class WebAddressTests
{
    [Fact]
    public void Take_NothingAsked_DefaultPortOnLoopback()
    {
        using var taken = WebAddress.Take(null, _ => Socket());

        Assert.Equal(new Uri("http://127.0.0.1:8080/"), taken.Address);
    }

    [Theory]
    [InlineData(null, "127.0.0.1")]
    [InlineData("", "127.0.0.1")]
    [InlineData("0.0.0.0", "0.0.0.0")]
    [InlineData("::1", "::1")]
    public void Interface_AsConfigured_LoopbackOtherwise(string? text, string expected) => Assert.Equal(IPAddress.Parse(expected), WebAddress.Interface(Of(text)));

    [Fact]
    public void Interface_NoAddress_Refused() =>
        Assert.Equal("Cluster:WebAddress is \"pod\".", Assert.Throws<UserErrorException>(() => WebAddress.Interface(Of("pod"))).What);

    [Fact]
    public void Take_OnAllAddresses_ListensThere()
    {
        using var taken = WebAddress.Take(null, on: IPAddress.Any);
        using var other = new TcpClient();

        // Another of this machine's than the one that is served by default.
        other.Connect(IPAddress.Parse("127.0.0.2"), taken.Address.Port);

        Assert.Equal("0.0.0.0", taken.Address.Host);
    }

    [Fact]
    public void Take_AddressOfAnotherMachine_SaysSo()
    {
        var error = Assert.Throws<UserErrorException>(() => WebAddress.Take(8080, on: IPAddress.Parse("192.0.2.1")));

        Assert.Equal("192.0.2.1 is no address of this machine.", error.What);
    }

    [Fact]
    public void Take_NothingAskedAndOccupied_NextFreeOne()
    {
        using var taken = WebAddress.Take(null, port => port < 8083 ? throw new SocketException((int)SocketError.AddressAlreadyInUse) : Socket());

        Assert.Equal(8083, taken.Address.Port);
    }

    [Fact]
    public void Take_NothingAskedTwiceAtOnce_TwoPorts()
    {
        using var first = WebAddress.Take(null);
        using var second = WebAddress.Take(null);

        Assert.NotEqual(first.Address, second.Address);
    }

    [Fact]
    public void Take_NothingAskedAndNoneFree_Refused()
    {
        var error = Assert.Throws<UserErrorException>(() => WebAddress.Take(null, _ => throw new SocketException((int)SocketError.AddressAlreadyInUse)));

        Assert.Equal("No port from 8080 to 8179 is free.", error.What);
    }

    [Fact]
    public void Take_AskedPortOccupied_RefusedByNameAndFreeOneTaken()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var error = Assert.Throws<UserErrorException>(() => WebAddress.Take(port));
        other.Stop();
        using var taken = WebAddress.Take(port);

        Assert.Equal($"Port {port} is occupied by another process.", error.What);
        Assert.Equal(port, taken.Address.Port);
    }

    [Fact]
    public void Take_AskedPortNotAllowed_SaysSo()
    {
        var error = Assert.Throws<UserErrorException>(() => WebAddress.Take(80, _ => throw new SocketException((int)SocketError.AccessDenied)));

        Assert.Equal("Port 80 may not be opened by this user.", error.What);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(65_536)]
    public void Take_NoPort_Refused(int asked)
    {
        Assert.Equal($"The web port is {asked}.", Assert.Throws<UserErrorException>(() => WebAddress.Take(asked)).What);
    }

    private static IConfiguration Of(string? address) =>
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Cluster:WebAddress"] = address }).Build();

    private static Socket Socket() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
}
