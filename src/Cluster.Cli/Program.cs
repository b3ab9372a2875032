using Cluster.Cli.Hosting;

return await CommandLine.RunAsync(args, CliEnvironment.OfProcess());
