"""The cluster admin's settings as they are edited."""

import logging
from typing import Any

import pytest
from aiohttp import web
from tests.operator.fake_api import FakeApi, serving

from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Unreachable
from ostiary_operator.live_settings import LiveSettings
from ostiary_operator.resources import CONFIG_MAPS
from ostiary_operator.settings import SettingsInvalid

PLACE = ("ostiary-system", "ostiary-settings")


def settings(text: str | None = "proxyImage: registry.example/proxy:1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": PLACE[0], "name": PLACE[1], "uid": "s-1"},
        "data": {} if text is None else {"settings.yaml": text},
    }


async def loaded(api: FakeApi, cache: Cache) -> LiveSettings:
    live = LiveSettings(cache=cache, namespace=PLACE[0], name=PLACE[1])
    async with serving(api) as cluster:
        await live.load(cluster)
    return live


async def test_settings_are_loaded_from_their_config_map() -> None:
    api, cache = FakeApi(), Cache()
    api.put(CONFIG_MAPS, settings())

    live = await loaded(api, cache)

    assert live.current.proxyImage == "registry.example/proxy:1"
    assert live.place == PLACE
    assert cache.get(CONFIG_MAPS, *PLACE)


async def test_an_edit_is_in_force_as_soon_as_it_is_seen() -> None:
    api, cache = FakeApi(), Cache()
    api.put(CONFIG_MAPS, settings())
    live = await loaded(api, cache)

    cache.see(CONFIG_MAPS, api.put(CONFIG_MAPS, settings("proxyImage: registry.example/proxy:2")))

    assert live.current.proxyImage == "registry.example/proxy:2"


@pytest.mark.parametrize(
    "text", ["proxyImage: [", "proxyImage: ''", "unknown: 1", "", None], ids=repr
)
async def test_a_broken_edit_keeps_the_last_good_and_says_so_once(
    text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    api, cache = FakeApi(), Cache()
    api.put(CONFIG_MAPS, settings())
    live = await loaded(api, cache)

    cache.see(CONFIG_MAPS, api.put(CONFIG_MAPS, settings(text)))

    assert live.current.proxyImage == "registry.example/proxy:1"
    assert live.current.proxyImage == "registry.example/proxy:1"
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert "the last good ones stay" in said[0].getMessage()


async def test_a_mended_edit_is_taken_again() -> None:
    api, cache = FakeApi(), Cache()
    api.put(CONFIG_MAPS, settings())
    live = await loaded(api, cache)
    cache.see(CONFIG_MAPS, api.put(CONFIG_MAPS, settings("[")))
    assert live.current.proxyImage == "registry.example/proxy:1"

    cache.see(CONFIG_MAPS, api.put(CONFIG_MAPS, settings("proxyImage: registry.example/proxy:3")))

    assert live.current.proxyImage == "registry.example/proxy:3"


async def test_deleted_settings_keep_the_last_good() -> None:
    api, cache = FakeApi(), Cache()
    made = api.put(CONFIG_MAPS, settings())
    live = await loaded(api, cache)

    cache.lose(CONFIG_MAPS, made)

    assert live.current.proxyImage == "registry.example/proxy:1"


async def test_missing_settings_end_the_start_and_name_the_config_map() -> None:
    with pytest.raises(SettingsInvalid, match="ostiary-system/ostiary-settings does not exist"):
        await loaded(FakeApi(), Cache())


@pytest.mark.parametrize("text", ["[", "unknown: 1", None], ids=repr)
async def test_broken_settings_end_the_start(text: str | None) -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, settings(text))

    with pytest.raises(SettingsInvalid):
        await loaded(api, Cache())


async def test_an_api_server_in_trouble_is_no_broken_document() -> None:
    api = FakeApi(before=lambda seen: web.Response(status=503))

    with pytest.raises(Unreachable):
        await loaded(api, Cache())
