"""Of two objects that want one URL outside the cluster the older has it, whatever its kind."""

from typing import Any

import pytest
from tests.operator.build import STDIO, server_manifest

from ostiary_operator.api import MCPGroup, MCPServer
from ostiary_operator.cache import Cache
from ostiary_operator.exposures import Exposures
from ostiary_operator.models import Models
from ostiary_operator.resources import GROUPS, SERVERS

URL = "https://mcp.example.com/time"


class World:
    def __init__(self) -> None:
        self.cache = Cache()
        self.models = Models(self.cache)
        self.exposures = Exposures(self.models, has_routes=lambda: True)
        self._version = 0

    def server(self, name: str, made: int, url: str | None = URL, **more: str) -> MCPServer:
        spec = STDIO | ({"expose": {"url": url}} if url else {})
        manifest = server_manifest(spec, name=name, **self._metadata(name, made), **more)
        self.cache.see(SERVERS, manifest)
        found = self.models.server(manifest)
        assert isinstance(found, MCPServer), str(found)
        return found

    def group(self, name: str, made: int, url: str) -> MCPGroup:
        manifest = {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPGroup",
            "metadata": {"name": name, "namespace": "agents", **self._metadata(name, made)},
            "spec": {"members": [{"server": {"name": "time"}}], "expose": {"url": url}},
        }
        self.cache.see(GROUPS, manifest)
        found = self.models.group(manifest)
        assert isinstance(found, MCPGroup), str(found)
        return found

    def _metadata(self, name: str, made: int) -> dict[str, Any]:
        self._version += 1
        return {
            "uid": f"uid-{name}",
            "resourceVersion": str(self._version),
            "creationTimestamp": f"2026-01-01T00:00:{made:02}Z",
        }


@pytest.fixture
def world() -> World:
    return World()


def test_who_asks_for_nothing_gets_nothing(world: World) -> None:
    found = world.exposures.of(world.server("time", 1, None))

    assert (found.url, found.taken_by) == ("", "")


def test_the_older_keeps_the_url(world: World) -> None:
    younger, older = world.server("a", 2), world.server("b", 1)

    assert world.exposures.of(older).url == URL
    found = world.exposures.of(younger)
    assert (found.url, found.taken_by) == ("", "MCPServer tools/b")
    assert found.exposed is None


def test_of_twins_the_first_by_name_has_it(world: World) -> None:
    second, first = world.server("b", 1), world.server("a", 1)

    assert world.exposures.of(first).url == URL
    assert world.exposures.of(second).taken_by == "MCPServer tools/a"


@pytest.mark.parametrize(
    "other",
    ["https://mcp.example.com:8443/time"],
)
def test_a_port_makes_no_other_url(world: World, other: str) -> None:
    world.server("a", 1, other)

    assert world.exposures.of(world.server("b", 2)).taken_by == "MCPServer tools/a"


@pytest.mark.parametrize(
    "other",
    [
        "https://mcp.example.com/Time",
        "https://mcp.example.com/time/mcp",
        "https://mcp.example.com/time2",
        "https://other.example.com/time",
    ],
)
def test_hosts_are_shared_and_paths_are_not(world: World, other: str) -> None:
    world.server("a", 1, other)

    assert world.exposures.of(world.server("b", 2)).url == URL


def test_groups_and_servers_are_of_one_kind_here(world: World) -> None:
    group = world.group("everyday", 1, URL)

    assert world.exposures.of(group).url == URL
    assert world.exposures.of(world.server("a", 2)).taken_by == "MCPGroup agents/everyday"


@pytest.mark.parametrize("first", ["group", "server"])
def test_what_lies_below_a_group_is_the_groups(world: World, first: str) -> None:
    below = "https://mcp.example.com/all/servers/clock/mcp"
    made = (1, 2) if first == "group" else (2, 1)
    group = world.group("everyday", made[0], "https://mcp.example.com/all")
    server = world.server("a", made[1], below)

    taken = {world.exposures.of(group).taken_by, world.exposures.of(server).taken_by}

    loser = "MCPGroup agents/everyday" if first == "group" else "MCPServer tools/a"
    assert taken == {"", loser}


def test_the_name_of_a_service_inside_the_cluster_is_nobody_elses_url(world: World) -> None:
    """Else a token for that server would be good here."""
    world.server("time", 5, None)
    world.group("everyday", 5, "https://mcp.example.com/all")

    thief = world.server("thief", 1, "https://time.tools/mcp")
    other = world.server("other", 1, "https://everyday-group.agents/mcp")

    assert world.exposures.of(thief).taken_by == "MCPServer tools/time, inside the cluster"
    assert world.exposures.of(other).taken_by == "MCPGroup agents/everyday, inside the cluster"


def test_rivals_are_all_that_want_a_path_of_the_host(world: World) -> None:
    world.server("a", 1)
    world.server("b", 2, "https://mcp.example.com/other")
    world.server("c", 3, "https://x.example.com/time")
    world.group("everyday", 4, URL)

    found = {it.metadata.name for it in world.exposures.rivals("mcp.example.com")}

    assert found == {"a", "b", "everyday"}
