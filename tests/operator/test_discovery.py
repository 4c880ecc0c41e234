"""Where an issuer's metadata is looked for, and what it must say (security row 5)."""

from typing import Any

import pytest

from ostiary_operator.discovery import discover, places
from ostiary_operator.fetch import FetchFailed

PLAIN = "https://id.example"
TENANT = "https://id.example/tenant1"


class Web:
    """Documents by URL; anything else is 404, or what `status` says."""

    def __init__(self, documents: dict[str, Any], status: int = 404) -> None:
        self.documents, self.status = documents, status
        self.asked: list[str] = []

    async def __call__(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        found = self.documents.get(url)
        if isinstance(found, dict):
            return found
        raise FetchFailed("id.example answers so", status=found or self.status)


def metadata(issuer: str, **more: Any) -> dict[str, Any]:
    return {"issuer": issuer, "jwks_uri": "https://keys.example/jwks", **more}


JWKS = {"https://keys.example/jwks": {"keys": [{"kid": "a"}]}}


@pytest.mark.parametrize(
    ("issuer", "wanted"),
    [
        (
            PLAIN,
            [
                "https://id.example/.well-known/oauth-authorization-server",
                "https://id.example/.well-known/openid-configuration",
            ],
        ),
        (
            TENANT,
            [
                "https://id.example/.well-known/oauth-authorization-server/tenant1",
                "https://id.example/.well-known/openid-configuration/tenant1",
                "https://id.example/tenant1/.well-known/openid-configuration",
            ],
        ),
        (
            "https://id.example:8443/a/b/",
            [
                "https://id.example:8443/.well-known/oauth-authorization-server/a/b",
                "https://id.example:8443/.well-known/openid-configuration/a/b",
                "https://id.example:8443/a/b/.well-known/openid-configuration",
            ],
        ),
        (
            "https://id.example/",
            [
                "https://id.example/.well-known/oauth-authorization-server",
                "https://id.example/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_the_places_are_asked_in_the_order_of_mcp(issuer: str, wanted: list[str]) -> None:
    assert list(places(issuer)) == wanted


@pytest.mark.parametrize("issuer", [PLAIN, TENANT, "https://id.example/"])
async def test_the_first_place_with_metadata_ends_the_search(issuer: str) -> None:
    for number, place in enumerate(places(issuer)):
        web = Web({place: metadata(issuer), **JWKS})

        assert await discover(issuer, web) == [{"kid": "a"}]
        assert web.asked == [*places(issuer)[: number + 1], "https://keys.example/jwks"]


@pytest.mark.parametrize(
    "named",
    [
        "https://evil.example",
        "https://id.example/",
        "https://ID.example",
        "http://id.example",
        None,
        ["https://id.example"],
    ],
    ids=str,
)
async def test_metadata_that_speaks_for_another_issuer_ends_the_search(named: object) -> None:
    first, second = places(PLAIN)
    web = Web({first: metadata(PLAIN) | {"issuer": named}, second: metadata(PLAIN), **JWKS})

    with pytest.raises(FetchFailed, match="another issuer"):
        await discover(PLAIN, web)

    assert web.asked == [first]


@pytest.mark.parametrize("status", [0, 500, 503])
async def test_trouble_is_not_taken_for_absence(status: int) -> None:
    """Who can break one place must not thereby choose another."""
    web = Web({places(PLAIN)[1]: metadata(PLAIN), **JWKS}, status=status)

    with pytest.raises(FetchFailed):
        await discover(PLAIN, web)

    assert len(web.asked) == 1


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 410])
async def test_an_answer_that_is_no_metadata_means_look_elsewhere(status: int) -> None:
    web = Web({places(PLAIN)[1]: metadata(PLAIN), **JWKS}, status=status)

    assert await discover(PLAIN, web) == [{"kid": "a"}]


async def test_metadata_of_oauth_alone_may_name_no_keys() -> None:
    first, second = places(PLAIN)
    web = Web({first: {"issuer": PLAIN}, second: metadata(PLAIN), **JWKS})

    assert await discover(PLAIN, web) == [{"kid": "a"}]


@pytest.mark.parametrize("where", [None, 7, ["https://keys.example/jwks"]], ids=str)
async def test_metadata_without_keys_is_a_failure(where: object) -> None:
    web = Web({it: metadata(PLAIN) | {"jwks_uri": where} for it in places(PLAIN)})

    with pytest.raises(FetchFailed, match="names no jwks_uri"):
        await discover(PLAIN, web)


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {"kid": "a"}}], ids=str)
async def test_a_key_set_is_a_list(document: dict[str, Any]) -> None:
    web = Web({places(PLAIN)[0]: metadata(PLAIN), "https://keys.example/jwks": document})

    with pytest.raises(FetchFailed, match="holds no keys"):
        await discover(PLAIN, web)
