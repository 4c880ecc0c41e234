"""TransportEncrypted: what clients inside the cluster speak to the proxy, as the proxies say."""

from datetime import UTC, datetime
from typing import Final

from ostiary_operator.api import MCPServer, Reason, Type
from ostiary_operator.render import proxy_config
from ostiary_proxy.config import TlsReport

from .conditions import Verdict, find
from .observed import Observed
from .scene import ServerScene

_MOST_SAID: Final = 4
"""Names of a certificate in a message."""


def encrypted(scene: ServerScene) -> Verdict:
    tls = scene.root.spec.tls
    if tls is None:
        return Verdict(
            "False",
            Reason.PLAINTEXT,
            "clients inside the cluster speak plain HTTP, behind the NetworkPolicy alone: write "
            "spec.tls.secretName for https",
        )
    live = scene.observed.live_pods
    reports = _reports(scene.observed)
    if not reports or len(reports) < len(live):
        before = find(scene.previous.get("conditions") or (), Type.TRANSPORT_ENCRYPTED)
        if scene.unasked and before is not None and before["reason"] != Reason.PLAINTEXT:
            # After a restart of the operator the last word stands until the proxies were asked.
            return Verdict(before["status"], before["reason"], before.get("message", ""))
        return Verdict("Unknown", Reason.PROGRESSING, "known once every pod's proxy has reported")
    said = (_flaw(scene.root, tls.secretName, it, scene.now) for it in reports)
    flaw = next((it for it in said if it is not None), None)
    if flaw is not None:
        return flaw
    until = min(it.notAfter for it in reports)
    return Verdict(
        "True",
        Reason.TLS,
        f"https alone, with the certificate of Secret {tls.secretName} until {until}; between "
        "this server's own pods plain HTTP",
    )


def unusable_certificate(scene: ServerScene) -> str:
    """Why no pod can open its port; empty: one does, or nobody has said yet."""
    tls, reports = scene.root.spec.tls, _reports(scene.observed)
    if tls is None or any(it.serving for it in reports):
        return ""
    return next((f"Secret {tls.secretName}: {it.error}" for it in reports if it.error), "")


def expiry(observed: Observed, now: datetime) -> datetime | None:
    """When a certificate that is shown now expires."""
    found = [at for it in _reports(observed) if (at := _time(it.notAfter)) is not None and at > now]
    return min(found, default=None)


def _reports(observed: Observed) -> list[TlsReport]:
    found = (observed.report_of(pod) for pod in observed.live_pods)
    return [it.tls for it in found if it is not None and it.tls is not None]


def _flaw(server: MCPServer, secret: str, report: TlsReport, now: datetime) -> Verdict | None:
    if report.error:
        older = "; the one before it serves on" if report.serving else ""
        return Verdict(
            "False", Reason.CERTIFICATE_UNUSABLE, f"Secret {secret}: {report.error[:512]}{older}"
        )
    expires = _time(report.notAfter)
    if expires is None or expires <= now:
        return Verdict(
            "False",
            Reason.CERTIFICATE_EXPIRED,
            f"the certificate of Secret {secret} expired at {report.notAfter}: renew it",
        )
    hosts = proxy_config.cluster_address(server).hosts
    if not any(_covers(name, host) for name in report.names for host in hosts):
        said = ", ".join(report.names[:_MOST_SAID]) or "no DNS name"
        return Verdict(
            "False",
            Reason.CERTIFICATE_UNUSABLE,
            f"the certificate of Secret {secret} is for {said}: clients refuse it for "
            f"{hosts[0]}, which has to be among its DNS names",
        )
    return None


def _covers(name: str, host: str) -> bool:
    """RFC 9525, 6.3: a wildcard stands for one whole label, the first."""
    if name.startswith("*."):
        return name[1:] == host[host.find(".") :]
    return name == host


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
