using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;

namespace Cluster.Web.Tests;

public class WebAddressTests
{
    [Fact]
    public void Choose_NothingAsked_DefaultPortOnLoopback()
    {
        Assert.Equal(new Uri("http://127.0.0.1:8080/"), WebAddress.Choose(null, _ => SocketError.Success));
    }

    [Fact]
    public void Choose_NothingAskedAndOccupied_NextFreeOne()
    {
        Assert.Equal(8083, WebAddress.Choose(null, port => port < 8083 ? SocketError.AddressAlreadyInUse : SocketError.Success).Port);
    }

    [Fact]
    public void Choose_NothingAskedAndNoneFree_Refused()
    {
        var error = Assert.Throws<UserErrorException>(() => WebAddress.Choose(null, _ => SocketError.AddressAlreadyInUse));

        Assert.Equal("No port from 8080 to 8179 is free.", error.What);
    }

    [Fact]
    public void Choose_AskedPortOccupied_RefusedByNameAndFreeOneTaken()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var error = Assert.Throws<UserErrorException>(() => WebAddress.Choose(port));
        other.Stop();

        Assert.Equal($"Port {port} is occupied by another process.", error.What);
        Assert.Equal(port, WebAddress.Choose(port).Port);
    }

    [Fact]
    public void Choose_AskedPortNotAllowed_SaysSo()
    {
        var error = Assert.Throws<UserErrorException>(() => WebAddress.Choose(80, _ => SocketError.AccessDenied));

        Assert.Equal("Port 80 may not be opened by this user.", error.What);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(65_536)]
    public void Choose_NoPort_Refused(int asked)
    {
        Assert.Equal($"The web port is {asked}.", Assert.Throws<UserErrorException>(() => WebAddress.Choose(asked)).What);
    }
}
