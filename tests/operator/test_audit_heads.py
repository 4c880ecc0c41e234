"""The operator's log says how far each audit chain has come."""

import logging

import pytest

from ostiary_operator.audit_heads import AuditHeads
from ostiary_proxy.config import StatusReport


def report(uid: str, seq: int) -> StatusReport:
    return StatusReport(
        etag="e",
        version="1",
        pod=f"pod-{uid}",
        podUid=uid,
        generation=1,
        auditSeq=seq,
        auditHead=f"{seq:064x}",
    )


def test_a_chain_that_has_grown_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    reports = [report("a", 3), report("b", -1)]
    heads = AuditHeads(lambda: reports)
    with caplog.at_level(logging.INFO, logger="ostiary_operator.audit_heads"):
        heads.tell()
        heads.tell()
        reports[:] = [report("a", 5), report("b", 0)]
        heads.tell()
        # a chain of another process of the same pod begins anew
        reports[:] = [report("a", 0)]
        heads.tell()

    told = [(it.podUid, it.auditSeq, it.auditHead) for it in caplog.records]  # type: ignore[attr-defined]
    assert told == [
        ("a", 3, f"{3:064x}"),
        ("a", 5, f"{5:064x}"),
        ("b", 0, f"{0:064x}"),
        ("a", 0, f"{0:064x}"),
    ]
