"""Keeps the node's nftables in step with the cluster's NetworkPolicies.

Watches pods, namespaces and policies, and after any change lists them, renders
(netpol.py) and loads the table in one transaction.  Runs inside the node's
network namespace.

    python -m e2e.cluster.netpol_agent PKI_FOLDER API_URL POD_CIDR"""

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from e2e.cluster.netpol import TABLE, render

KINDS: Final = {
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies",
}
WATCH_SECONDS: Final = 300
PAUSE_SECONDS: Final = 0.5  # after an error
GATHER_SECONDS: Final = 0.02  # changes come in bursts: one load for all of them
FAILURES: Final = (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError)


class Agent:
    def __init__(self, *, pki: Path, url: str, pod_cidr: str) -> None:
        self._url = url
        self._pod_cidr = pod_cidr
        self._dirty = threading.Event()
        self._loaded = ""
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def run(self) -> None:
        for path in KINDS.values():
            threading.Thread(target=self._watch, args=(path,), daemon=True).start()
        self._dirty.set()
        while True:
            self._dirty.wait()
            time.sleep(GATHER_SECONDS)
            self._dirty.clear()
            try:
                self._load()
            except FAILURES as err:
                say(f"retry: {err} {getattr(err, 'stderr', '') or ''}")
                time.sleep(PAUSE_SECONDS)
                self._dirty.set()

    def _load(self) -> None:
        listed = {kind: self._list(path) for kind, path in KINDS.items()}
        text = render(**listed, pod_cidr=self._pod_cidr)
        if text == self._loaded:
            return
        whole = f"table {TABLE} {{}}\ndelete table {TABLE}\n{text}"
        subprocess.run(["nft", "-f", "-"], input=whole, text=True, check=True, capture_output=True)
        self._loaded = text
        say(f"loaded {text.count(' chain in-')} ingress and {text.count(' chain out-')} egress")

    def _list(self, path: str) -> list[Any]:
        with self._open(f"{path}?resourceVersion=0", seconds=10) as answer:
            return list(json.load(answer)["items"])

    def _watch(self, path: str) -> None:
        """Any line of a watch means: look again."""
        query = f"{path}?watch=1&timeoutSeconds={WATCH_SECONDS}"
        while True:
            try:
                with self._open(query, seconds=WATCH_SECONDS + 30) as answer:
                    for _ in answer:
                        self._dirty.set()
            except FAILURES:
                time.sleep(PAUSE_SECONDS)
            self._dirty.set()

    def _open(self, path: str, *, seconds: float) -> Any:
        return urlopen(self._url + path, context=self._context, timeout=seconds)


def say(text: str) -> None:
    print(time.strftime("%X"), text, flush=True)


if __name__ == "__main__":
    Agent(pki=Path(sys.argv[1]), url=sys.argv[2], pod_cidr=sys.argv[3]).run()
