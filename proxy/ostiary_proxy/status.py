"""The status report of this proxy, and whoever waits for it to change.

The etag covers everything but counters (processes, the audit's head): a long poll wakes for what
the operator acts on, not for every call.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.config import ServerReport, StatusReport, TlsReport
from ostiary_proxy.runtime import Runtime

MOST_TOOLS: Final = 2000
"""Tools named in one report: the operator reads a bounded body."""
LONGEST_ERROR: Final = 4096


class Status:
    """Builds reports; made new only after somebody called `wake`."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        reports: Callable[[], tuple[ServerReport, ...]],
        tls: Callable[[], TlsReport | None] = lambda: None,
    ) -> None:
        self._runtime = runtime
        self._reports = reports
        self._tls = tls
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Something that a report holds may have changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def report(self) -> StatusReport:
        runtime = self._runtime
        snapshot = runtime.snapshot
        head = runtime.audit.head
        bare = StatusReport(
            etag="",
            version=VERSION,
            pod=runtime.pod,
            podUid=runtime.pod_uid,
            generation=snapshot.generation if snapshot else 0,
            digest=snapshot.digest if snapshot else "",
            configError=runtime.config_error[:LONGEST_ERROR],
            draining=runtime.draining,
            keys=snapshot.keys if snapshot else (),
            unknownKeyIds=snapshot.verifier.unknown_kids if snapshot else (),
            servers=_bounded(self._reports()),
            tls=self._tls(),
        )
        return bare.model_copy(
            update={"etag": _etag(bare), "auditHead": head.digest, "auditSeq": head.seq}
        )

    async def wait(self, since: str, seconds: float) -> StatusReport:
        """The report as soon as its etag is not `since`, at the latest after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            changed = self._changed
            report = self.report()
            if report.etag != since:
                return report
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return self.report()


def _etag(report: StatusReport) -> str:
    servers = {"servers": {"__all__": {"processes", "observed"}}}
    counted = {"etag", "auditHead", "auditSeq"}
    text = report.model_dump_json(exclude={**dict.fromkeys(counted, True), **servers})
    observed = [
        (it.policy, it.allow.bit_length(), it.deny.bit_length())
        for server in report.servers
        for it in server.observed
    ]
    return sha256(f"{text}{observed}".encode()).hexdigest()[:32]


def _bounded(reports: tuple[ServerReport, ...]) -> tuple[ServerReport, ...]:
    left = MOST_TOOLS
    bounded = []
    for report in reports:
        cut = report
        if len(report.tools) > left:
            cut = report.model_copy(update={"tools": report.tools[:left]})
        left -= len(cut.tools)
        bounded.append(cut)
    return tuple(bounded)
