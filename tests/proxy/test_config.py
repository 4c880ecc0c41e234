"""The contract between the halves: closed documents, open reports."""

import pytest
from pydantic import ValidationError
from tests.proxy.documents import document, raw

from ostiary_proxy.config import ProxyConfig, ServerReport, StatusReport


def test_a_document_survives_the_way_through_a_file() -> None:
    assert ProxyConfig.model_validate_json(raw(3)) == document(3)


def test_a_document_with_a_field_of_another_version_is_refused() -> None:
    body = document().model_dump() | {"new": 1}

    with pytest.raises(ValidationError, match="new"):
        ProxyConfig.model_validate(body)


def test_a_report_of_a_newer_proxy_is_read_by_an_older_operator() -> None:
    report = StatusReport(
        etag="e",
        version="9",
        generation=1,
        servers=(ServerReport(namespace="tools", name="time", state="Ready"),),
    )
    body = report.model_dump() | {"new": 1}
    body["servers"][0]["new"] = 1

    assert StatusReport.model_validate(body) == report


def test_a_document_cannot_be_changed_once_it_is_decided_on() -> None:
    config = document()

    with pytest.raises(ValidationError):
        config.generation = 9  # type: ignore[misc]
