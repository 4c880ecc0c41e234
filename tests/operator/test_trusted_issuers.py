"""What the cluster admin may write of an issuer."""

from typing import Any

import pytest
import yaml
from tests.proxy.certificates import Authority

from ostiary_operator.settings import SettingsInvalid, parse_settings

LEAST = "proxyImage: registry.example/proxy:1\n"


def issuers(*each: dict[str, Any]) -> Any:
    return parse_settings(LEAST + yaml.safe_dump({"issuers": list(each)})).issuers


def one(**more: Any) -> dict[str, Any]:
    return {"name": "team", "url": "https://id.example/realms/team", **more}


def test_a_name_and_a_url_are_enough() -> None:
    (found,) = issuers(one())

    assert (found.usernameClaim, found.groupsClaim, found.audiences) == ("sub", "groups", ())
    assert not found.primary
    assert not found.private


def test_without_issuers_there_is_none() -> None:
    assert parse_settings(LEAST).issuers == ()


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example",
        "id.example",
        "https://",
        "https://user@id.example",
        "https://id.example?tenant=1",
        "https://id.example#x",
        "https://id.example/?",
        "https://id.example/a b",
        "https://id.example:port",
        "https://[::1",
        "https://ïd.example",
        "ftp://id.example",
        "file:///etc/passwd",
    ],
)
def test_an_issuer_is_a_plain_https_url(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"issuers\.0\.url"):
        issuers(one(url=url))


@pytest.mark.parametrize("name", ["", "Team", "a:b", "a/b", "system", "kubernetes", "-a", "x" * 64])
def test_a_name_is_one_small_word_that_kubernetes_does_not_use(name: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"issuers\.0\.name"):
        issuers(one(name=name))


@pytest.mark.parametrize(
    "pem", ["x", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"]
)
def test_a_ca_bundle_holds_certificates(pem: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"issuers\.0\.caBundle"):
        issuers(one(caBundle=pem))

    (found,) = issuers(one(caBundle=Authority().pem.decode()))
    assert found.caBundle


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"name": "team", "url": "https://b.example"}, "the name team"),
        ({"name": "b", "url": "https://id.example/realms/team"}, "the url https://id.example"),
        ({"name": "b", "url": "https://b.example", "primary": True}, "team and b are primary"),
    ],
)
def test_issuers_are_told_apart(second: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        issuers(one(primary=True), second)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="clientSecret"):
        issuers(one(clientSecret="x"))
