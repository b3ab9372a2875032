using System.Globalization;
using System.Xml.Linq;
using Cluster.ServiceDefaults;
using k8s;
using k8s.Models;

namespace Cluster.Deployment.Tests.Kubernetes;

/// <summary>Rules that every overlay keeps.</summary>
public class ManifestTests
{
    private static readonly string[] s_overlays = ["cpu", "gpu"];

    public static TheoryData<string> Overlays => new(s_overlays);

    [Theory]
    [InlineData("namespace.yaml")]
    [InlineData("network.yaml")]
    [InlineData("redis.yaml")]
    [InlineData("runs.yaml")]
    [InlineData("silo.yaml")]
    [InlineData("web.yaml")]
    public void Base_EachFile_IsOfTheApi(string file) => Assert.NotEmpty(Manifests.Load(Repository.Read("k8s", "base", file)));

    [Fact]
    public void Load_UnknownField_Refused()
    {
        var text = Repository.Read("k8s", "base", "silo.yaml");

        Assert.ThrowsAny<Exception>(() => Manifests.Load(text.Replace("readOnlyRootFilesystem", "readOnlyRootFileSystem", StringComparison.Ordinal)));
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Overlay_Rendered_HasEveryPart(string overlay)
    {
        var manifests = Manifests.Of(overlay);

        Assert.Equal(["Deployment web", "StatefulSet redis", "StatefulSet silo"], manifests.Workloads.Select(w => $"{w.Kind} {w.Name}").Order(StringComparer.Ordinal));
        Assert.Equal(["redis", "silo", "web"], Names(manifests.All<V1Service>()));
        Assert.Equal(["silo", "web"], Names(manifests.All<V1PodDisruptionBudget>()));
        Assert.Equal(["nobody", "redis", "silo", "web"], Names(manifests.All<V1NetworkPolicy>()));
        Assert.All(manifests.Objects.OfType<IMetadata<V1ObjectMeta>>().Where(thing => thing is not V1Namespace), thing => Assert.Equal("cluster", thing.Metadata.NamespaceProperty));
        Assert.Empty(manifests.All<V1Secret>());

        static IEnumerable<string> Names(IEnumerable<IMetadata<V1ObjectMeta>> things) => things.Select(thing => thing.Metadata.Name).Order(StringComparer.Ordinal);
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_Security_IsRestricted(string overlay)
    {
        Assert.Equal("restricted", Manifests.Of(overlay).One<V1Namespace>("cluster").Metadata.Labels["pod-security.kubernetes.io/enforce"]);
        foreach (var workload in Manifests.Of(overlay).Workloads)
        {
            Assert.False(workload.Pod.AutomountServiceAccountToken, workload.Name);
            Assert.True(workload.Pod.SecurityContext.RunAsNonRoot, workload.Name);
            Assert.True(workload.Pod.SecurityContext.RunAsUser > 0, workload.Name);
            Assert.Equal("RuntimeDefault", workload.Pod.SecurityContext.SeccompProfile.Type);
            Assert.True(workload.Pod is { HostNetwork: null, HostPID: null, HostIPC: null }, workload.Name);
            Assert.DoesNotContain(workload.Pod.Volumes, volume => volume.HostPath is not null);
            foreach (var container in Containers(workload))
            {
                Assert.True(container.SecurityContext.ReadOnlyRootFilesystem, container.Name);
                Assert.False(container.SecurityContext.AllowPrivilegeEscalation, container.Name);
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                Assert.Null(container.SecurityContext.Capabilities.Add);
                Assert.Contains(container.VolumeMounts, mount => mount.MountPath == "/tmp" && workload.Pod.Volumes.Any(volume => volume.Name == mount.Name && volume.EmptyDir is not null));
            }
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Containers_Resources_AreAskedForAndLimited(string overlay)
    {
        foreach (var container in Manifests.Of(overlay).Workloads.SelectMany(Containers))
        {
            foreach (var resource in (string[])["cpu", "memory"])
            {
                Assert.True(container.Resources.Requests[resource].ToDecimal() <= container.Resources.Limits[resource].ToDecimal(), container.Name);
                Assert.True(container.Resources.Requests[resource].ToDecimal() > 0, container.Name);
            }

            // What is killed for memory is killed for its own.
            Assert.Equal(container.Resources.Requests["memory"].ToDecimal(), container.Resources.Limits["memory"].ToDecimal());
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Containers_Images_HaveTheVersionOfThisRepositoryOrAFullOne(string overlay)
    {
        var version = XDocument.Parse(Repository.Read("Directory.Build.props")).Descendants("Version").Single().Value;
        foreach (var container in Manifests.Of(overlay).Workloads.SelectMany(Containers))
        {
            var tag = container.Image[(container.Image.LastIndexOf(':') + 1)..];
            Assert.Equal(3, tag.Split('.').Length);
            if (container.Name != "redis")
                Assert.Equal(version, tag);
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Containers_Probes_AskForWhatIsServed(string overlay)
    {
        foreach (var (workload, container) in Manifests.Of(overlay).Workloads.SelectMany(workload => Containers(workload).Select(container => (workload, container))))
        {
            Assert.True(container is { LivenessProbe: not null, ReadinessProbe: not null, StartupProbe: not null }, container.Name);
            foreach (var port in new[] { container.LivenessProbe, container.ReadinessProbe, container.StartupProbe }
                .Select(probe => (probe.HttpGet?.Port ?? probe.TcpSocket?.Port)?.Value).OfType<string>())
                Assert.Contains(container.Ports, named => named.Name == port);
            if (workload.Name == "redis")
                continue;
            Assert.Equal(ServiceDefaultsExtensions.AlivePath, container.LivenessProbe.HttpGet.Path);
            Assert.Equal(ServiceDefaultsExtensions.AlivePath, container.StartupProbe.HttpGet.Path);
            Assert.Equal(ServiceDefaultsExtensions.HealthPath, container.ReadinessProbe.HttpGet.Path);
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_Grace_IsLongerThanTheHostsOwn(string overlay)
    {
        var host = new Microsoft.Extensions.Hosting.HostOptions().ShutdownTimeout.TotalSeconds;

        Assert.All(Manifests.Of(overlay).Workloads, workload => Assert.True(workload.Pod.TerminationGracePeriodSeconds > host, workload.Name));
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Selectors_OfEverything_MeanPodsThatThereAre(string overlay)
    {
        var manifests = Manifests.Of(overlay);
        foreach (var workload in manifests.Workloads)
        {
            Assert.True(workload.Matches(workload.Selector), workload.Name);
            Assert.All(manifests.Workloads.Where(other => other.Name != workload.Name), other => Assert.False(other.Matches(workload.Selector), other.Name));
            Assert.All(workload.Pod.TopologySpreadConstraints ?? [], spread => Assert.True(workload.Matches(spread.LabelSelector), workload.Name));
        }

        foreach (var budget in manifests.All<V1PodDisruptionBudget>())
            Assert.Equal(budget.Metadata.Name, Assert.Single(manifests.Workloads, workload => workload.Matches(budget.Spec.Selector)).Name);
        var scaler = Assert.Single(manifests.All<V2HorizontalPodAutoscaler>());
        var scaled = manifests.One<V1Deployment>(scaler.Spec.ScaleTargetRef.Name);
        Assert.Null(scaled.Spec.Replicas);
        Assert.Equal("Deployment apps/v1", $"{scaler.Spec.ScaleTargetRef.Kind} {scaler.Spec.ScaleTargetRef.ApiVersion}");
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Services_Ports_AreThoseOfTheirPods(string overlay)
    {
        var manifests = Manifests.Of(overlay);
        foreach (var service in manifests.All<V1Service>())
        {
            var workload = Assert.Single(manifests.Workloads, workload => workload.Matches(service.Spec.Selector));
            var named = Containers(workload).SelectMany(container => container.Ports).ToList();
            Assert.All(service.Spec.Ports, port => Assert.Contains(named, candidate => candidate.Name == port.TargetPort.Value));
        }

        foreach (var set in manifests.All<V1StatefulSet>())
            Assert.Equal("None", manifests.One<V1Service>(set.Spec.ServiceName).Spec.ClusterIP);
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_VolumesAndReferences_Exist(string overlay)
    {
        var manifests = Manifests.Of(overlay);
        foreach (var workload in manifests.Workloads)
        {
            var volumes = workload.Pod.Volumes.Select(volume => volume.Name).Concat(workload.Claims.Select(claim => claim.Metadata.Name)).ToList();
            Assert.All(Containers(workload).SelectMany(container => container.VolumeMounts), mount => Assert.Contains(mount.Name, volumes));
            Assert.All(workload.Pod.Volumes.Select(volume => volume.PersistentVolumeClaim).OfType<V1PersistentVolumeClaimVolumeSource>(), claim => manifests.One<V1PersistentVolumeClaim>(claim.ClaimName));
            Assert.All(workload.Pod.Volumes.Select(volume => volume.ConfigMap).OfType<V1ConfigMapVolumeSource>(), map => manifests.One<V1ConfigMap>(map.Name));
            Assert.All(Containers(workload).SelectMany(container => container.EnvFrom ?? []).Where(from => from.ConfigMapRef is not null), from => manifests.One<V1ConfigMap>(from.ConfigMapRef.Name));
        }

        // Silos of a run see one path, on whichever node they are.
        Assert.Equal(["ReadWriteMany"], manifests.One<V1PersistentVolumeClaim>("runs").Spec.AccessModes);
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Secrets_OfPods_AreThoseThatTheReadmeMakes(string overlay)
    {
        var readme = Repository.Read("k8s", "README.md");
        foreach (var container in Manifests.Of(overlay).Workloads.SelectMany(Containers))
        {
            foreach (var secret in (container.Env ?? []).Select(variable => variable.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>())
            {
                Assert.Contains($"create secret generic {secret.Name} ", readme, StringComparison.Ordinal);
                Assert.Contains($"--from-literal={secret.Key}=", readme, StringComparison.Ordinal);
            }

            foreach (var secret in (container.EnvFrom ?? []).Select(from => from.SecretRef).OfType<V1SecretEnvSource>())
                Assert.Contains($"create secret generic {secret.Name} ", readme, StringComparison.Ordinal);
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Network_Ways_AreTheOnesMeant(string overlay)
    {
        var manifests = Manifests.Of(overlay);
        Assert.Equal((0, 0), (manifests.One<V1NetworkPolicy>("nobody").Spec.PodSelector.MatchLabels?.Count ?? 0, manifests.One<V1NetworkPolicy>("nobody").Spec.Ingress?.Count ?? 0));

        Assert.Equal(["silo → redis: redis", "silo → silo: any", "web → redis: redis", "web → silo: gateway"], Ways(manifests).Where(way => !way.EndsWith("→ web: http", StringComparison.Ordinal)));
        Assert.Contains("silo → web: http", Ways(manifests));
    }

    [KubectlFact]
    public void Gpu_Silos_AskForOneEachOnNodesThatHaveThem()
    {
        var silo = Assert.Single(Manifests.Of("gpu").Workloads, workload => workload.Name == "silo");
        var container = Assert.Single(silo.Pod.Containers);

        Assert.Equal(1, container.Resources.Limits["nvidia.com/gpu"].ToInt32());
        Assert.Contains(silo.Pod.Tolerations, toleration => toleration is { Key: "nvidia.com/gpu", Effect: "NoSchedule" });
        Assert.Contains(silo.Pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms.Single().MatchExpressions, rule => rule.Key == "nvidia.com/gpu.present");
        Assert.Equal("required", Assert.Single(container.Env, variable => variable.Name == "Cluster__Gpu").Value);
        Assert.DoesNotContain(Manifests.Of("cpu").Workloads.SelectMany(Containers), other => other.Resources.Limits.ContainsKey("nvidia.com/gpu"));
    }

    [KubectlFact]
    public void Readme_OverlayOfOnesOwn_RendersWithMonitors()
    {
        var lines = Repository.Read("k8s", "README.md").Split('\n').SkipWhile(line => !line.Contains("# k8s/overlays/mine/", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => line.Length == 0 || line.StartsWith("       ", StringComparison.Ordinal)).Select(line => line.Length > 7 ? line[7..] : "");
        var copy = Directory.CreateTempSubdirectory("cluster-k8s-").FullName;
        try
        {
            foreach (var file in Directory.GetFiles(Repository.Path("k8s"), "*", SearchOption.AllDirectories))
            {
                var target = Path.Combine(copy, Path.GetRelativePath(Repository.Path("k8s"), file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }

            var mine = Directory.CreateDirectory(Path.Combine(copy, "overlays", "mine")).FullName;
            File.WriteAllLines(Path.Combine(mine, "kustomization.yaml"), lines);
            var manifests = Manifests.Rendered(mine);

            Assert.Equal("YOUR-READWRITEMANY-CLASS", manifests.One<V1PersistentVolumeClaim>("runs").Spec.StorageClassName);
            Assert.Equal(["YOUR-REGISTRY/cluster-cuda:0.1.0", "YOUR-REGISTRY/cluster-web:0.1.0"],
                manifests.Workloads.SelectMany(Containers).Where(container => container.Name != "redis").Select(container => container.Image).Order(StringComparer.Ordinal));
            Assert.Equal(["cluster"], manifests.All<PrometheusRule>().Select(rule => rule.Metadata.Name));
            CheckScaling(manifests);
            var monitor = Assert.Single(manifests.All<PodMonitor>());
            var endpoint = Assert.Single(monitor.Spec.PodMetricsEndpoints);
            Assert.Equal(ServiceDefaultsExtensions.MetricsPath, endpoint.Path);
            var monitored = manifests.Workloads.Where(workload => workload.Matches(monitor.Spec.Selector)).ToList();
            Assert.Equal(["silo", "web"], monitored.Select(workload => workload.Name).Order(StringComparer.Ordinal));
            foreach (var workload in monitored)
            {
                Assert.Contains(Containers(workload).SelectMany(container => container.Ports), port => port.Name == endpoint.Port);
                Assert.Equal("cluster", workload.Template.Metadata.Labels[monitor.Spec.JobLabel]);
            }
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    [Fact]
    public void Rules_OfTheOperator_AreThoseOfPrometheus()
    {
        var groups = ((string[])["recording.yml", "alerts.yml"]).SelectMany(file => Repository.Read("infra", "prometheus", "rules", file).Split("\ngroups:\n")[1].TrimEnd('\n').Split('\n'))
            .Select(line => line.Length == 0 ? line : "  " + line);

        var text = Repository.Read("k8s", "components", "monitoring", "rules.yaml");

        Assert.Equal(string.Join('\n', groups), text.Split("\nspec:\n  groups:\n")[1].TrimEnd('\n'));
        var rules = Assert.IsType<PrometheusRule>(Assert.Single(Manifests.Load(text))).Spec.Groups.SelectMany(group => group.Rules).ToList();
        Assert.All(rules, rule => Assert.True(rule.Expr.Length > 0 && (rule.Alert is null) != (rule.Record is null)));
        Assert.Contains(rules, rule => rule.Alert == "QueueGrows");
    }

    /// <summary>Web pods by the queue: one autoscaler, of a deployment that has no number of its own, on metrics that there are.</summary>
    private static void CheckScaling(Manifests manifests)
    {
        var scaler = Assert.Single(manifests.All<ScaledObject>());
        // Two would work against each other.
        Assert.Empty(manifests.All<V2HorizontalPodAutoscaler>());
        Assert.Equal("Deployment apps/v1", $"{scaler.Spec.ScaleTargetRef.Kind} {scaler.Spec.ScaleTargetRef.ApiVersion}");
        Assert.Null(manifests.One<V1Deployment>(scaler.Spec.ScaleTargetRef.Name).Spec.Replicas);
        Assert.True(scaler.Spec.MinReplicaCount >= 2 && scaler.Spec.MaxReplicaCount > scaler.Spec.MinReplicaCount);
        Assert.InRange(scaler.Spec.Fallback!.Replicas, scaler.Spec.MinReplicaCount, scaler.Spec.MaxReplicaCount);
        Assert.Equal(["cpu", "queue", "streams"], scaler.Spec.Triggers.Select(trigger => trigger.Name).Order(StringComparer.Ordinal));
        var recorded = Assert.Single(manifests.All<PrometheusRule>()).Spec.Groups.SelectMany(group => group.Rules).Select(rule => rule.Record).ToList();
        Assert.Contains("model:cluster_inference_requests_waiting:sum", recorded);
        var queue = Assert.Single(scaler.Spec.Triggers, trigger => trigger.Name == "queue");
        Assert.Equal(("prometheus", "AverageValue", "sum(model:cluster_inference_requests_waiting:sum) or vector(0)"), (queue.Type, queue.MetricType, queue.Metadata["query"]));
        // The pods that are counted are the deployment's, by the label that the monitor gives them.
        var streams = Assert.Single(scaler.Spec.Triggers, trigger => trigger.Name == "streams");
        Assert.Contains($"process=~\"{scaler.Spec.ScaleTargetRef.Name}-.*\"", streams.Metadata["query"], StringComparison.Ordinal);
    }

    private static IEnumerable<V1Container> Containers(Workload workload) => workload.Pod.Containers.Concat(workload.Pod.InitContainers ?? []);

    private static IEnumerable<string> Ways(Manifests manifests) => manifests.All<V1NetworkPolicy>()
        .SelectMany(policy => (policy.Spec.Ingress ?? []).SelectMany(rule => rule.FromProperty.Where(from => from.PodSelector is not null)
            .SelectMany(from => manifests.Workloads.Where(workload => workload.Matches(from.PodSelector)))
            .SelectMany(source => manifests.Workloads.Where(target => target.Matches(policy.Spec.PodSelector))
                .Select(target => string.Create(CultureInfo.InvariantCulture, $"{source.Name} → {target.Name}: {string.Join(',', rule.Ports.Select(port => port.Port?.Value ?? "any"))}")))))
        .Order(StringComparer.Ordinal);
}
