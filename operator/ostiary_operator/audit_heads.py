"""Writes down, once a minute, how far each proxy's audit chain has come (access.md section 4).

A proxy's log lies in its own pod: whoever can rewrite that cannot rewrite what the operator logged
of it.  `ostiary audit verify --heads` compares the two.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from ostiary_proxy.config import StatusReport

SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class AuditHeads:
    def __init__(self, reports: Callable[[], Iterable[StatusReport]]) -> None:
        """`reports`: the newest of each proxy that answers."""
        self._reports = reports
        self._told: dict[str, int] = {}
        """By pod uid: the last line that was told of."""

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(SECONDS)
            self.tell()

    def tell(self) -> None:
        """One line of the log for each chain that has grown."""
        told: dict[str, int] = {}
        for report in self._reports():
            told[report.podUid] = report.auditSeq
            if report.auditSeq >= 0 and self._told.get(report.podUid) != report.auditSeq:
                log.info(
                    "audit head",
                    extra={
                        "pod": report.pod,
                        "podUid": report.podUid,
                        "auditSeq": report.auditSeq,
                        "auditHead": report.auditHead,
                    },
                )
        self._told = told
