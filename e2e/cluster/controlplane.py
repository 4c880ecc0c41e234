"""A Kubernetes control plane of one's own: etcd, API server, controller manager.

`ControlPlane(folder).start()` needs no root and no cluster: everything listens
on loopback and lives in `folder`.  The same class runs the control plane of the
real node (node.py) inside a network namespace.  RBAC is on, every request is in
the audit log, and the API server can be killed and brought back on its port.
It does not run pods."""

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from e2e.cluster import layout as places
from e2e.cluster import processes
from e2e.cluster.audit import POLICY, AuditEvent, AuditLog
from e2e.cluster.layout import Layout
from e2e.cluster.paths import Broken
from e2e.cluster.pki import Authority
from e2e.cluster.programs import CONTROL_PLANE, programs

ISSUER: Final = "https://kubernetes.default.svc"
START_SECONDS: Final = 60  # a slow, busy machine; a warm idle one takes about five
ATTEMPTS: Final = 3  # somebody else may grab a port between our look and our bind


class ControlPlane:
    def __init__(
        self,
        folder: Path,
        *,
        layout: Callable[[], Layout] = places.loopback,
        extra_hosts: Sequence[str] = (),
        with_scheduler: bool = False,
        die_with_us: bool = False,
    ) -> None:
        self.folder = folder
        self.processes = processes.Processes(folder / "run", die_with_us=die_with_us)
        self.audit = AuditLog(folder / "audit.log")
        self._choose_layout = layout
        self._extra_hosts = extra_hosts
        self._programs = programs([*CONTROL_PLANE, *(["kube-scheduler"] if with_scheduler else [])])

    @property
    def layout(self) -> Layout:
        return places.load_layout(self.folder / "layout.json")

    @property
    def url(self) -> str:
        return self.layout.url

    @property
    def ca(self) -> Path:
        return self.folder / "pki" / "ca.crt"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    def start(self) -> "ControlPlane":
        """Everything up and the `default` ServiceAccount made; a no-op for what runs already."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
                return self
            except PortTaken:
                self.stop()
                (self.folder / "layout.json").unlink(missing_ok=True)
                self.admin_kubeconfig.unlink(missing_ok=True)  # it names the port
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Everything down, newest first; the state stays."""
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            self.processes.stop(name)

    def kill_apiserver(self) -> None:
        """SIGKILL: connections break, nothing is said to anybody."""
        self.processes.kill("kube-apiserver")

    def start_apiserver(self) -> None:
        """On the same port and state; returns when it answers /readyz."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._run_apiserver()
            try:
                return self._wait("kube-apiserver", self._ready)
            except PortTaken:
                # Threads of the killed one may hold its socket a moment longer than its pid.
                if time.monotonic() > deadline:
                    raise

    def stop_controllers(self) -> None:
        self.processes.stop("kube-controller-manager")

    def start_controllers(self) -> None:
        self._run_controllers()

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for any user: the certificate is the identity, RBAC says what it may."""
        digest = hashlib.sha256(json.dumps([user, *groups]).encode()).hexdigest()[:16]
        path = self.folder / "users" / f"{digest}.kubeconfig"
        if not path.exists():
            pair = self.authority().issue(user, groups=groups, server=False)
            self.authority().kubeconfig(path, url=self.url, pair=pair)
        return path

    def audit_events(self, *, since: int = 0) -> list[AuditEvent]:
        return self.audit.events(since=since)

    def compact(self) -> None:
        """Drop etcd's history, so that a watch from an older version is answered 410.

        The API server's own memory of events goes with its process: kill it as well."""
        endpoint = f"{self.layout.etcd_url}/v3/kv"
        with urlopen(f"{endpoint}/range", data=b'{"key": "AA=="}', timeout=10) as answer:
            revision = json.load(answer)["header"]["revision"]
        body = json.dumps({"revision": revision, "physical": True}).encode()
        with urlopen(f"{endpoint}/compaction", data=body, timeout=10):
            return

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "layout.json").exists():
            self._choose_layout().save(self.folder / "layout.json")
        if not self.admin_kubeconfig.exists():
            self._write_identities()
        self._run_etcd()
        self._run_apiserver()  # it waits for etcd by itself
        self._wait("kube-apiserver", self._ready)
        self._run_controllers()
        self._run_scheduler()
        self._wait("kube-controller-manager", self._has_default_account)

    def authority(self) -> Authority:
        return Authority(self.folder / "pki", now=datetime.now(UTC))

    def _write_identities(self) -> None:
        place, authority = self.layout, self.authority()
        service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        own = ["localhost", "127.0.0.1", places.KUBERNETES_SERVICE, place.advertise]
        hosts = sorted({*service, f"{service[-1]}.cluster.local", *own, *self._extra_hosts})
        authority.write("apiserver", authority.issue("kube-apiserver", hosts=hosts, server=True))
        masters = ["system:masters"]
        kubelet_client = authority.issue("apiserver-kubelet", groups=masters, server=False)
        authority.write("apiserver-kubelet", kubelet_client)
        authority.write("front-proxy", authority.issue("front-proxy-client", server=False))
        authority.write_service_account_keys()
        identities = {
            "kube-controller-manager": ("system:kube-controller-manager", []),
            "kube-scheduler": ("system:kube-scheduler", []),
            "admin": ("test-admin", masters),  # last: its file says that all are there
        }
        (self.folder / "audit-policy.json").write_text(json.dumps(POLICY))
        for name, (user, groups) in identities.items():
            pair = authority.issue(user, groups=groups, server=False)
            authority.write(name, pair)
            url = place.url if name == "admin" else place.inner_url
            authority.kubeconfig(self.folder / f"{name}.kubeconfig", url=url, pair=pair)

    def _run(self, program: str, /, *switches: str, **flags: str | Path | int) -> None:
        if self.processes.alive(program):
            return
        options = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        command = [*self.layout.enter, str(self._programs[program]), *switches, *options]
        self.processes.start(program, command)

    def _run_etcd(self) -> None:
        place = self.layout
        self._run(
            "etcd",
            "--unsafe-no-fsync",  # a test's data need not outlive the machine
            name="test",
            data_dir=self.folder / "etcd",
            listen_client_urls=place.etcd_url,
            advertise_client_urls=place.etcd_url,
            listen_peer_urls=place.peer_url,
            initial_advertise_peer_urls=place.peer_url,
            initial_cluster=f"test={place.peer_url}",
            log_level="warn",
        )

    def _run_apiserver(self) -> None:
        place, pki = self.layout, self.folder / "pki"
        alone = place.advertise == "127.0.0.1"
        self._run(
            "kube-apiserver",
            etcd_servers=place.etcd_url,
            bind_address=place.bind,
            secure_port=place.secure_port,
            advertise_address=place.advertise,
            # loopback cannot be an endpoint of the Service `kubernetes`; nothing would use it
            endpoint_reconciler_type="none" if alone else "lease",
            service_cluster_ip_range=places.SERVICE_CIDR,
            authorization_mode="Node,RBAC",
            enable_admission_plugins="NodeRestriction",
            allow_privileged="true",
            client_ca_file=self.ca,
            tls_cert_file=pki / "apiserver.crt",
            tls_private_key_file=pki / "apiserver.key",
            kubelet_preferred_address_types="InternalIP",  # or logs and exec look for a DNS name
            kubelet_client_certificate=pki / "apiserver-kubelet.crt",
            kubelet_client_key=pki / "apiserver-kubelet.key",
            kubelet_certificate_authority=self.ca,
            service_account_issuer=ISSUER,
            service_account_key_file=pki / "sa.pub",
            service_account_signing_key_file=pki / "sa.key",
            requestheader_client_ca_file=self.ca,
            requestheader_allowed_names="front-proxy-client",
            requestheader_username_headers="X-Remote-User",
            requestheader_group_headers="X-Remote-Group",
            requestheader_extra_headers_prefix="X-Remote-Extra-",
            proxy_client_cert_file=pki / "front-proxy.crt",
            proxy_client_key_file=pki / "front-proxy.key",
            audit_policy_file=self.folder / "audit-policy.json",
            audit_log_path=self.folder / "audit.log",
            audit_log_maxsize=2000,  # megabytes: one file, or a reader would lose the older part
        )

    def _run_controllers(self) -> None:
        pki, own = self.folder / "pki", self.folder / "kube-controller-manager.kubeconfig"
        self._run(
            "kube-controller-manager",
            kubeconfig=own,
            secure_port=0,
            leader_elect="false",
            use_service_account_credentials="true",
            service_account_private_key_file=pki / "sa.key",
            root_ca_file=self.ca,
            cluster_signing_cert_file=self.ca,
            cluster_signing_key_file=pki / "ca.key",
            allocate_node_cidrs="true",
            cluster_cidr=places.CLUSTER_CIDR,
            node_cidr_mask_size=24,
            service_cluster_ip_range=places.SERVICE_CIDR,
            kube_api_qps=200,  # its own limit would be what a test of many servers measures
            kube_api_burst=400,
        )

    def _run_scheduler(self) -> None:
        if "kube-scheduler" in self._programs:
            own = self.folder / "kube-scheduler.kubeconfig"
            self._run("kube-scheduler", kubeconfig=own, secure_port=0, leader_elect="false")

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            for each in ("etcd", name):
                if not self.processes.alive(each):
                    tail = self.processes.log_tail(each)
                    kind = PortTaken if "address already in use" in tail else Broken
                    raise kind(f"{each} ended at its start:\n{tail}")
            if time.monotonic() > deadline:
                tail = self.processes.log_tail(name)
                raise Broken(f"{name} is not ready after {START_SECONDS} s:\n{tail}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        return self._get("/readyz") == 200

    def _has_default_account(self) -> bool:
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") == 200

    def _get(self, path: str) -> int:
        """The status of one GET as the admin; 0 = not reached."""
        pki = self.folder / "pki"
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.layout.api_port, context=context, timeout=5
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


class PortTaken(Broken):
    """Somebody else listens where we meant to."""
