return await Cluster.Web.WebProcess.RunAsync(args);
