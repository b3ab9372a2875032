return await Cluster.Silo.Hosting.SiloProcess.RunAsync(args);
