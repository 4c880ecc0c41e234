"""What the node's programs read: their configuration, and the manifests of cluster DNS.  Pure."""

from pathlib import Path
from typing import Any, Final

from e2e.cluster.images.recipes import PAUSE, PYTHON
from e2e.cluster.layout import CLUSTER_CIDR, POD_CIDR

NODE: Final = "ostiary-node"
NODE_IP: Final = "10.88.0.1"
DNS_IP: Final = "10.96.0.10"
CGROUP: Final = "ostiary-e2e"  # every container of this node lives below it, and nothing else


def containerd(state: Path, socket: Path) -> str:
    return f"""version = 2
root = "{state}/containerd/root"
state = "{state}/containerd/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{state}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"
"""


def pod_network(state: Path) -> dict[str, Any]:
    """A routed link per pod, no bridge: every packet passes the forward hook of nftables."""
    addresses = {
        "type": "host-local",
        "dataDir": f"{state}/ipam",
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugin = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "ostiary-e2e", "plugins": [plugin]}


def kubelet(state: Path, socket: Path) -> dict[str, Any]:
    pki = state / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{state}/resolv.conf",
        "address": "0.0.0.0",
        "healthzBindAddress": "127.0.0.1",
        "failSwapOn": False,
        "podLogsDir": f"{state}/pod-logs",
        "volumePluginDir": f"{state}/volume-plugins",
        # a full disk of the machine is not what these tests are about
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "imagefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    }


def kube_proxy(state: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{state}/kube-proxy.kubeconfig"},
        "mode": "nftables",
        "hostnameOverride": NODE,
        "clusterCIDR": CLUSTER_CIDR,
        "bindAddress": NODE_IP,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # limits of the machine's connection tracking are not ours to change
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def cluster_dns(source: str) -> dict[str, Any]:
    """CoreDNS's place taken by dns.py, under the labels and the address that everybody expects."""
    labels = {"k8s-app": "kube-dns"}
    metadata = {"name": "kube-dns", "namespace": "kube-system", "labels": labels}
    rules = [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]},
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["list", "watch"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "ostiary-e2e-dns"}
    subject = {"kind": "ServiceAccount", "name": "kube-dns", "namespace": "kube-system"}
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "ostiary-e2e-dns"},
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "ostiary-e2e-dns"},
            "roleRef": role,
            "subjects": [subject],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"dns.py": source},
        },
        _dns_deployment(metadata, labels),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "clusterIP": DNS_IP,
                "selector": labels,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _dns_deployment(metadata: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "dns",
        "image": PYTHON,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "/dns/dns.py"],
        "ports": [
            {"containerPort": 53, "protocol": "UDP"},
            {"containerPort": 53, "protocol": "TCP"},
        ],
        "volumeMounts": [{"name": "source", "mountPath": "/dns"}],
        "resources": {"limits": {"memory": "128Mi"}},
        "readinessProbe": {"tcpSocket": {"port": 53}, "periodSeconds": 1},
    }
    pod = {
        "serviceAccountName": "kube-dns",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "source", "configMap": {"name": "kube-dns"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
