"""A broken config document is told to a person: which file, which field, what to write."""

from typing import Any

import orjson
import pytest
from tests.proxy.documents import document, raw, server

from ostiary_proxy.config import ProxyConfig
from ostiary_proxy.document import MOST_SENTENCES, Unusable, digest_of, parse_document


def bent(path: str, value: Any) -> bytes:
    """The good document with one field set; a value of `...` takes it away."""
    body = orjson.loads(raw())
    *steps, last = path.split(".")
    at = body
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return orjson.dumps(body)


def test_the_operators_document_is_taken() -> None:
    assert parse_document(raw(7), "config.json", "sidecar") == document(7)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "config.json: is not JSON: EOF while parsing a value at line 1 column 0"),
        (b'{"format": 1,}', "config.json: is not JSON: trailing comma at line 1 column 14"),
        (b"[]", "config.json: should be an object"),
        (bent("generation", ...), "config.json: generation: is missing"),
        (
            bent("generation", 0),
            "config.json: generation: should be greater than or equal to 1",
        ),
        (bent("generation", "x"), "config.json: generation: should be a valid integer"),
        (bent("format", 2), "config.json: format: this proxy reads format 1 only"),
        (bent("rôle", 1), "config.json: rôle: is not a field that this proxy knows"),
        (bent("role", "doorman"), "config.json: role: must be 'sidecar', 'gateway' or 'local'"),
        (bent("role", "local"), "config.json: role: is local, and this proxy runs as sidecar"),
        (bent("servers", []), "config.json: servers: a sidecar holds exactly one, here are 0"),
        (bent("servers.0.path", "mcp"), "config.json: servers[0].path: must begin with a slash"),
        (
            bent("servers.0.backend.maxProcesses", 0),
            "config.json: servers[0].backend.maxProcesses: should be greater than or equal to 1",
        ),
        (
            bent("servers.0.backend.kind", "telepathy"),
            "config.json: servers[0].backend: its kind must be one of "
            "group, sse, stdio, streamableHTTP, webSocket",
        ),
        (
            bent("servers.0.policies.0.rules.0.subjects.0.kind", "robot"),
            "config.json: servers[0].policies[0].rules[0].subjects[0].kind: "
            "must be 'serviceAccount', 'user', 'oidc', 'token' or 'anonymous'",
        ),
        (
            bent("issuers.0.kind", "local"),
            "config.json: issuers[0].kind: local tokens are taken by the local role alone",
        ),
        (b" " * (4 * 1024 * 1024 + 1), "config.json: is longer than 4194304 bytes"),
    ],
    ids=lambda value: value[13:60] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_where(content: bytes, sentence: str) -> None:
    result = parse_document(content, "config.json", "sidecar")

    assert isinstance(result, Unusable)
    assert str(result).startswith(sentence)


def test_no_value_is_quoted() -> None:
    canary = "s3cr3t-canary"
    body = orjson.loads(raw())
    body["servers"][0]["backend"] = {
        "kind": canary,
        "env": {"TOKEN": {canary: canary}},
    }
    body["servers"][0]["limits"] = {"callSeconds": canary}
    body["servers"][0]["uid"] = [canary]

    result = parse_document(orjson.dumps(body), "config.json", "sidecar")

    assert isinstance(result, Unusable)
    assert canary not in str(result)


def test_many_mistakes_are_counted_rather_than_listed() -> None:
    servers = [{"name": 1} for _ in range(20)]

    result = parse_document(bent("servers", servers), "config.json", "sidecar")

    assert isinstance(result, Unusable)
    assert str(result).count("; ") == MOST_SENTENCES
    assert str(result).endswith(" more")


def test_two_servers_of_one_proxy_need_two_paths() -> None:
    both = (server(path="/a/mcp"), server(path="/a/mcp"))
    content = raw(role="local", servers=both, issuers=())

    result = parse_document(content, "config", "local")

    assert str(result) == "config: servers[1].path: another server has the same path"
    good = raw(role="local", servers=(server(path="/a/mcp"), server(path="/b/mcp")), issuers=())
    assert isinstance(parse_document(good, "config", "local"), ProxyConfig)


def test_the_digest_is_of_the_bytes() -> None:
    assert digest_of(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def elsewhere(**more: Any) -> bytes:
    """The good document with a backend that is not beside the proxy."""
    outside = {"source": "remote", **more.pop("outside", {})}
    backend = {"kind": "streamableHTTP", "host": "mcp.example.com", "port": 443, **more}
    return bent("servers.0.backend", {**backend, "outside": outside})


def test_a_backend_elsewhere_is_taken() -> None:
    parsed = parse_document(elsewhere(path="/mcp?a=%20b"), "config.json", "sidecar")

    assert isinstance(parsed, ProxyConfig)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (elsewhere(outside={"loopback": True}), "outside.loopback: the local role alone"),
        (elsewhere(command=["sh"]), "command: what runs elsewhere"),
        (elsewhere(path="/mcp\r\nhost: evil"), "path: must begin with a slash, and hold no space"),
        (elsewhere(path="mcp"), "path: must begin with a slash"),
        (elsewhere(host="a\r\nb"), "host: must be a host name"),
        (elsewhere(host="u@b"), "host: must be a host name"),
        (elsewhere(outside={"closed": ["here"]}), "outside.closed: must be networks"),
        (
            elsewhere(outside={"headers": [{"name": "a", "file": "/x"}] * 2}),
            "outside.headers: two have one name",
        ),
        (
            elsewhere(outside={"headers": [{"name": "a: b", "file": "/x"}]}),
            "outside.headers[0].name: String should match",
        ),
    ],
)
def test_a_backend_elsewhere_that_no_operator_would_write_is_refused(
    content: bytes, sentence: str
) -> None:
    parsed = parse_document(content, "config.json", "sidecar")

    assert isinstance(parsed, Unusable)
    assert f"config.json: servers[0].backend.{sentence}" in str(parsed)


OUTSIDE = {
    "url": "https://mcp.example.com/time",
    "host": "mcp.example.com",
    "path": "/time",
}
TOLD = {
    "audiences": ("https://mcp.example.com/time",),
    "hosts": ("mcp.example.com",),
}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({**TOLD, "exposed": OUTSIDE}, ""),
        ({**TOLD, "exposed": {**OUTSIDE, "path": "time"}}, "path: must be the path of the url"),
        ({**TOLD, "exposed": {**OUTSIDE, "path": "/clock"}}, "path: must be the path of the url"),
        ({**TOLD, "audiences": (), "exposed": OUTSIDE}, "url: must be one of the audiences"),
        ({**TOLD, "hosts": (), "exposed": OUTSIDE}, "host: must be one of the hosts"),
    ],
)
def test_what_is_exposed_agrees_with_audiences_and_hosts(
    values: dict[str, Any], sentence: str
) -> None:
    result = parse_document(raw(servers=(server(**values),)), "config", "sidecar")

    if sentence:
        assert str(result).startswith(f"config: servers[0].exposed.{sentence}")
    else:
        assert isinstance(result, ProxyConfig)


def test_hops_are_networks() -> None:
    good = parse_document(raw(hops=("10.0.0.0/8", "2001:db8::/32")), "config", "sidecar")
    bad = parse_document(raw(hops=("10.0.0.1/8",)), "config", "sidecar")

    assert isinstance(good, ProxyConfig)
    assert str(bad) == "config: hops: must be networks such as 10.0.0.0/8"
