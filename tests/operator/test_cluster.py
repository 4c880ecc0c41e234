"""The narrow client of the API server, against a real HTTP server."""

import json
import socket
from typing import Any

import pytest
from aiohttp import web
from tests.operator.fake_api import FakeApi, Seen, serving

from ostiary_operator import cluster as errors
from ostiary_operator.cluster import ApiError, connect, error_of
from ostiary_operator.credentials import Credentials
from ostiary_operator.resources import CONFIG_MAPS, NAMESPACES, PODS, SERVERS


def config_map(name: str = "a", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "tools", **metadata},
        "data": {"key": "value"},
    }


def body(**answer: Any) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (404, body(reason="NotFound"), errors.Missing),
        (409, body(reason="AlreadyExists"), errors.Taken),
        (409, body(reason="Conflict"), errors.Taken),
        (410, body(reason="Expired"), errors.Gone),
        (401, b"Unauthorized", errors.Refused),
        (403, body(reason="Forbidden", message="may not"), errors.Refused),
        (403, body(message="exceeded quota: small"), errors.QuotaExceeded),
        (
            403,
            body(details={"causes": [{"reason": "NamespaceTerminating"}]}),
            errors.NamespaceEnding,
        ),
        (400, b"", errors.Invalid),
        (422, body(reason="Invalid"), errors.Invalid),
        (429, b"slow down", errors.Unreachable),
        (500, b"<html>", errors.Unreachable),
        (503, b"[]", errors.Unreachable),
        (418, b"{}", ApiError),
    ],
)
def test_an_answer_becomes_the_error_of_its_kind(
    status: int, answer: bytes, kind: type[ApiError]
) -> None:
    found = error_of(status, answer)

    assert type(found) is kind
    assert found.status == status
    assert found.message


def test_an_error_bears_the_servers_reason_and_words() -> None:
    found = error_of(403, body(reason="Forbidden", message="pods is forbidden"))

    assert (found.reason, str(found)) == ("Forbidden", "pods is forbidden")


def test_an_answer_that_is_no_status_is_cut_short() -> None:
    assert len(str(error_of(502, b"x" * 100_000))) == 200


async def test_what_was_created_can_be_read() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        made = await cluster.create(CONFIG_MAPS, config_map(), manager="ostiary")

        assert await cluster.get(CONFIG_MAPS, "tools", "a") == made
        assert api.requests[0].query == {"fieldManager": "ostiary"}


async def test_a_name_that_exists_is_taken() -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, config_map())
    async with serving(api) as cluster:
        with pytest.raises(errors.Taken):
            await cluster.create(CONFIG_MAPS, config_map(), manager="ostiary")


async def test_an_apply_is_forced_and_named() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        await cluster.apply(CONFIG_MAPS, config_map(), manager="ostiary")

    (seen,) = api.requests
    assert seen.query == {"fieldManager": "ostiary", "force": "true"}
    assert seen.headers["Content-Type"] == "application/apply-patch+yaml"


async def test_an_apply_to_another_uid_is_refused() -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, config_map(uid="theirs"))
    async with serving(api) as cluster:
        with pytest.raises(errors.Taken):
            await cluster.apply(CONFIG_MAPS, config_map(uid="ours"), manager="ostiary")


async def test_a_patch_of_the_status_goes_to_its_subresource() -> None:
    api = FakeApi()
    api.put(PODS, config_map("pod"))
    async with serving(api) as cluster:
        found = await cluster.patch(
            PODS, "tools", "pod", {"status": {"phase": "x"}}, manager="m", subresource="status"
        )

    assert found["status"] == {"phase": "x"}
    assert api.requests[0].path == "/api/v1/namespaces/tools/pods/pod/status"


async def test_a_replace_of_what_changed_meanwhile_is_refused() -> None:
    api = FakeApi()
    before = api.put(CONFIG_MAPS, config_map())
    api.put(CONFIG_MAPS, config_map())
    async with serving(api) as cluster:
        with pytest.raises(errors.Taken):
            await cluster.replace(CONFIG_MAPS, before, manager="ostiary")


async def test_a_delete_means_that_very_object() -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, config_map(uid="new"))
    async with serving(api) as cluster:
        with pytest.raises(errors.Taken):
            await cluster.delete(CONFIG_MAPS, "tools", "a", uid="old")
        assert api.find(CONFIG_MAPS, "tools", "a")

        await cluster.delete(CONFIG_MAPS, "tools", "a", uid="new")

    assert api.find(CONFIG_MAPS, "tools", "a") is None


async def test_deleting_what_is_gone_is_well() -> None:
    async with serving(FakeApi()) as cluster:
        await cluster.delete(CONFIG_MAPS, "tools", "a", uid="gone")


async def test_a_list_is_read_page_by_page_and_bears_its_kind() -> None:
    api = FakeApi(page=2)
    for name in "abcde":
        api.put(CONFIG_MAPS, config_map(name))
    async with serving(api) as cluster:
        found = await cluster.list(CONFIG_MAPS)

    assert [it["metadata"]["name"] for it in found.manifests] == list("abcde")
    assert {(it["apiVersion"], it["kind"]) for it in found.manifests} == {("v1", "ConfigMap")}
    assert found.version == 5
    assert len(api.requests) == 3


async def test_a_list_asks_with_the_kinds_own_selector() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        await cluster.list(CONFIG_MAPS, namespace="tools", fields="metadata.name=a")
        await cluster.list(NAMESPACES)

    first, second = api.requests
    assert first.path == "/api/v1/namespaces/tools/configmaps"
    assert first.query["labelSelector"] == CONFIG_MAPS.selector
    assert first.query["fieldSelector"] == "metadata.name=a"
    assert "labelSelector" not in second.query


async def test_an_empty_list_is_no_error() -> None:
    async with serving(FakeApi()) as cluster:
        assert (await cluster.list(SERVERS)).manifests == ()


async def test_a_list_that_outlived_its_snapshot_begins_again() -> None:
    api = FakeApi(page=1)
    for name in "ab":
        api.put(CONFIG_MAPS, config_map(name))
    expired = iter([web.json_response({"reason": "Expired"}, status=410)])
    api.before = lambda seen: next(expired, None) if "continue" in seen.query else None
    async with serving(api) as cluster:
        found = await cluster.list(CONFIG_MAPS)

    assert len(found.manifests) == 2
    assert len(api.requests) == 4


async def test_a_list_that_never_ends_is_given_up() -> None:
    api = FakeApi(page=1)
    for name in "ab":
        api.put(CONFIG_MAPS, config_map(name))
    api.before = lambda seen: (
        web.json_response({"reason": "Expired"}, status=410) if "continue" in seen.query else None
    )
    async with serving(api) as cluster:
        with pytest.raises(errors.Gone):
            await cluster.list(CONFIG_MAPS)


async def test_a_document_beside_the_resources_is_read() -> None:
    api = FakeApi(documents={"/openid/v1/jwks": {"keys": []}})
    async with serving(api) as cluster:
        assert await cluster.read("/openid/v1/jwks") == {"keys": []}

    # The API server answers 406 to a client that takes nothing but JSON.
    assert "application/jwk-set+json" in api.requests[0].headers["Accept"]


async def test_every_request_bears_the_token() -> None:
    api = FakeApi()
    async with serving(api, token="secret") as cluster:
        await cluster.list(PODS)

    assert api.requests[0].headers["Authorization"] == "Bearer secret"


async def test_a_cut_connection_is_an_api_server_out_of_reach() -> None:
    class Cut(web.Response):
        async def prepare(self, request: web.BaseRequest) -> None:
            assert request.transport
            request.transport.abort()

    api = FakeApi(before=lambda seen: Cut())
    async with serving(api) as cluster:
        with pytest.raises(errors.Unreachable) as found:
            await cluster.get(PODS, "tools", "a")

    assert found.value.status == 0


async def test_a_refused_connection_is_an_api_server_out_of_reach() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with connect(Credentials(server=address), "test") as cluster:
            with pytest.raises(errors.Unreachable, match="does not answer"):
                await cluster.get(PODS, "tools", "a")


async def test_a_refusal_of_the_server_is_raised_as_its_kind() -> None:
    def refuse(seen: Seen) -> web.Response:
        return web.json_response({"message": "exceeded quota: pods"}, status=403)

    async with serving(FakeApi(before=refuse)) as cluster:
        with pytest.raises(errors.QuotaExceeded):
            await cluster.create(CONFIG_MAPS, config_map(), manager="ostiary")
