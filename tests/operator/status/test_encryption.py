"""TransportEncrypted, and what a certificate does to Ready."""

from datetime import timedelta
from typing import Any

import pytest
from tests.operator.build import policy, rule, stdio
from tests.operator.cluster_state import healthy, pod, report
from tests.operator.test_observe import CREATED

from ostiary_operator.status import Observed, server_status
from ostiary_operator.status.conditions import find
from ostiary_operator.status.readiness import next_look
from ostiary_proxy.config import TlsReport

SERVER = stdio(tls={"secretName": "time-tls"})
SHOWN = TlsReport(
    serving=True, notAfter="2036-01-02T03:04:05Z", names=("time.tools.svc", "time.tools")
)
CALLERS = (policy(rule()),)


def seen(*reports: TlsReport | None, **more: Any) -> Observed:
    pods = tuple(pod(name=f"time-{number}") for number in range(len(reports)))
    given = {
        "pods": pods,
        "policies": CALLERS,
        "reports": {
            it["metadata"]["uid"]: report(tls=tls) for it, tls in zip(pods, reports, strict=True)
        },
    }
    return healthy(SERVER, **(given | more))


def said(kind: str, observed: Observed, previous: dict[str, Any] | None = None) -> Any:
    found = find(server_status(SERVER, observed, previous or {}, CREATED)["conditions"], kind)
    assert found is not None
    return found["status"], found["reason"], found["message"]


def test_without_it_the_status_says_plain_text() -> None:
    status = server_status(stdio(), healthy(stdio(), policies=CALLERS), {}, CREATED)
    found = find(status["conditions"], "TransportEncrypted")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "Plaintext")
    assert "spec.tls.secretName" in found["message"]


def test_a_certificate_that_every_pod_shows_is_named_with_its_end() -> None:
    status, reason, message = said("TransportEncrypted", seen(SHOWN, SHOWN))
    assert (status, reason) == ("True", "TLS")
    assert "Secret time-tls until 2036-01-02T03:04:05Z" in message
    assert said("Ready", seen(SHOWN))[:2] == ("True", "Ready")


@pytest.mark.parametrize("name", ["time.tools", "*.tools.svc", "time.tools.svc.cluster.local"])
def test_any_name_of_the_service_will_do(name: str) -> None:
    shown = SHOWN.model_copy(update={"names": (name,)})
    assert said("TransportEncrypted", seen(shown))[:2] == ("True", "TLS")


@pytest.mark.parametrize("names", [(), ("other.tools.svc",), ("*.svc",), ("tools.svc",), ("*",)])
def test_a_certificate_for_another_name_is_none(names: tuple[str, ...]) -> None:
    shown = SHOWN.model_copy(update={"names": names})
    status, reason, message = said("TransportEncrypted", seen(SHOWN, shown))
    assert (status, reason) == ("False", "CertificateUnusable")
    assert "time.tools.svc" in message


def test_a_pair_that_cannot_be_used_is_said_beside_the_one_that_serves_on() -> None:
    wrong = SHOWN.model_copy(update={"error": "tls.key is not the key of tls.crt."})
    status, reason, message = said("TransportEncrypted", seen(wrong))
    assert (status, reason) == ("False", "CertificateUnusable")
    assert message == (
        "Secret time-tls: tls.key is not the key of tls.crt.; the one before it serves on"
    )
    assert said("Ready", seen(wrong))[0] == "True"


def test_a_pod_that_serves_nothing_for_it_is_not_ready_and_says_why() -> None:
    none = TlsReport(error="tls.crt holds no certificate in PEM.")
    status, reason, message = said("Ready", seen(none))
    assert (status, reason) == ("False", "RefsNotResolved")
    assert message == "Secret time-tls: tls.crt holds no certificate in PEM."


def test_an_expired_one_is_said_when_it_expires_without_anybody_asking() -> None:
    ends = (CREATED + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    observed = seen(SHOWN.model_copy(update={"notAfter": ends}))
    assert said("TransportEncrypted", observed)[0] == "True"
    wait = next_look(SERVER, observed, CREATED)
    assert wait is not None
    assert 0 < wait <= 2 * 3600
    late = server_status(SERVER, observed, {}, CREATED + timedelta(hours=2))
    found = find(late["conditions"], "TransportEncrypted")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "CertificateExpired")


def test_before_every_pod_has_reported_nothing_is_claimed() -> None:
    assert said("TransportEncrypted", seen(SHOWN, None))[:2] == ("Unknown", "Progressing")
    assert said("TransportEncrypted", seen(None))[:2] == ("Unknown", "Progressing")


def test_after_a_restart_of_the_operator_the_last_word_stands_until_the_proxies_were_asked() -> (
    None
):
    before = server_status(SERVER, seen(SHOWN), {}, CREATED)
    assert said("TransportEncrypted", seen(SHOWN, reports={}), before)[:2] == ("True", "TLS")
