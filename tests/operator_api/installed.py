"""The chart, and the operator as a process of this machine with the rights of the chart's pod."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually

NAMESPACE = "ostiary-system"
ACCOUNT = "ostiary-operator"
AGENT = "ostiary-operator"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
CHART = Path(__file__).resolve().parents[2] / "charts" / "ostiary"


def install(helm: Path, kubectl: Kubectl) -> None:
    """Account, rights, settings, admission policies.  Its pod never runs: there is no node."""
    done = subprocess.run(
        [
            *(str(helm), "upgrade", "--install", "ostiary", str(CHART)),
            *("--kubeconfig", str(kubectl.kubeconfig), "-n", NAMESPACE, "--create-namespace"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def uninstall(helm: Path, kubectl: Kubectl) -> None:
    """Its cluster-scoped names are fixed: other tests install it elsewhere."""
    subprocess.run(
        [str(helm), "uninstall", "ostiary", f"--kubeconfig={kubectl.kubeconfig}", "-n", NAMESPACE],
        check=True,
        capture_output=True,
        timeout=120,
    )


@dataclass(slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path
    """Of this process alone."""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @property
    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(it for it in status.splitlines() if it.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def logged(self) -> str:
        return self.log.read_text()


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts operators with the rights of the chart's account."""

    plane: ControlPlane
    folder: Path
    counter: Iterator[int] = field(default_factory=count)

    def environment(self, identity: str, extra: Mapping[str, str]) -> dict[str, str]:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
        token = self.folder / "status-token"
        if not token.exists():
            admin = Kubectl(self.plane.admin_kubeconfig)
            audience = "--audience=ostiary.dev/status"
            made = admin("-n", NAMESPACE, "create", "token", ACCOUNT, audience, "--duration=4h")
            token.write_text(made.strip())
        return {
            **os.environ,
            "KUBECONFIG": str(self.plane.kubeconfig(USER, [*groups, "system:authenticated"])),
            "OSTIARY_NAMESPACE": NAMESPACE,
            "OSTIARY_SERVICE_ACCOUNT": ACCOUNT,
            "OSTIARY_POD_NAME": identity,
            "OSTIARY_METRICS_PORT": "0",
            "OSTIARY_STATUS_TOKEN_FILE": str(token),
            **extra,
        }

    @contextmanager
    def running(self, identity: str = "one", **extra: str) -> Iterator[Running]:
        log = self.folder / f"operator-{identity}-{next(self.counter)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ostiary_operator"],
                env=self.environment(identity, extra),
                stdout=out,
                stderr=out,
            )
        found = Running(process, log)
        try:
            yield found
        finally:
            try:
                found.stop()
            finally:
                found.kill()


def leads(running: Running, seconds: float = 30) -> None:
    def look() -> bool:
        if running.process.poll() is not None:
            pytest.fail(f"it ended: {running.logged()}")
        return '"leading"' in running.logged()

    eventually(look, seconds=seconds, what="an operator that leads")


def ostiary(kubeconfig: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of ours at the cluster, to its end."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    command = [sys.executable, "-m", "ostiary_cli", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
