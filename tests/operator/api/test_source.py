"""`remote`, `service` and `upstream`: what stands when little is said; their rules are in
tests/crds/fixtures."""

from typing import Any

import pytest
from tests.operator.build import REMOTE, SERVICE, remote, server_manifest, service

from ostiary_operator.api import Invalid, parse_server
from ostiary_operator.api.schema import Part
from ostiary_operator.api.source import CONTAINER_FIELDS, SecretKey, Upstream


def test_a_remote_and_a_service_are_no_stdio_servers() -> None:
    assert not remote().spec.is_stdio
    assert not service().spec.is_stdio


def test_protection_and_http_are_asked_for() -> None:
    parsed = service(service={"name": "a", "port": 1})

    assert parsed.spec.service is not None
    assert not parsed.spec.service.protect
    assert not remote().spec.remote.allowInsecure  # type: ignore[union-attr]


def test_no_reference_leads_into_another_namespace() -> None:
    """Security row 31."""
    references: list[type[Part]] = [SecretKey, Upstream]

    assert all("namespace" not in it.model_fields for it in references)


@pytest.mark.parametrize("spec", [REMOTE, SERVICE], ids=["remote", "service"])
@pytest.mark.parametrize("field", CONTAINER_FIELDS)
def test_what_only_a_container_has_is_refused_with_a_sentence(
    spec: dict[str, Any], field: str
) -> None:
    values: dict[str, Any] = {"imagePullPolicy": "Always", "startupSeconds": 5, "workingDir": "/x"}
    lists = ("command", "args", "env", "envFrom", "volumes")
    value = values.get(field, [] if field in lists else {})

    found = parse_server(server_manifest(spec | {field: value}))

    assert isinstance(found, Invalid)
    assert "run no container of the server's: leave out command" in str(found)


def test_a_credential_cannot_be_written_inline() -> None:
    inline = {"upstream": {"headers": [{"name": "Authorization", "value": "Bearer canary"}]}}

    assert isinstance(parse_server(server_manifest(REMOTE | inline)), Invalid)
