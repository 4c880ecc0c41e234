"""What one member's lists may take of its gateway's memory, which is all members' (6.12)."""

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from tests.proxy.listings import Door, member

from ostiary_proxy import config, group_items, member_catalogue, member_lists
from ostiary_proxy.member_catalogue import AT_ONCE, MemberCatalogue
from ostiary_proxy.member_lists import BASE, Item, MemberLists, Profile, weight, weight_of
from ostiary_proxy.pins import Book

MOST = 100_000
SHAPES: dict[str, Any] = {
    "lists": [[] for _ in range(9000)],
    "objects": [{"a": 1} for _ in range(9000)],
    "numbers": [300 + number for number in range(9000)],
    "words": [f"{number}" for number in range(9000)],
    "keys": {f"key-{number}": True for number in range(9000)},
    "prose": ["It gets the thing, of any kind. " * 30 for _ in range(300)],
    "tools": [
        {
            "name": f"tool-{number}",
            "description": "It gets the thing, of any kind. " * 4,
            "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
        }
        for number in range(900)
    ],
}


def kind(number: int) -> Profile:
    return Profile("2026-07-28", f'{{"n":{number}}}'.encode())


def sized(name: str, size: int) -> dict[str, Any]:
    """A tool of that weight, or a little more."""
    return {"name": name, "description": "x" * (size // 2)}


@dataclass
class Server:
    """A member that tells each kind of client something else."""

    sizes: dict[Profile, int]
    gate: asyncio.Event | None = None
    """Nothing is listed before it is set."""
    now: int = 0
    most: int = 0
    """Kinds that asked at once."""
    book: Book = field(default_factory=Book)

    async def ask(self, profile: Profile, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "server/discover":
            return {"capabilities": {"tools": {}}}
        self.now += 1
        self.most = max(self.most, self.now)
        if self.gate is not None and profile != BASE:
            await self.gate.wait()
        self.now -= 1
        name = profile.capabilities.hex()
        size = self.sizes.get(profile, 10)
        return {"tools": [sized(f"{part}-{name}", size // 10) for part in range(10)]}

    def catalogue(self) -> MemberCatalogue:
        one = config.Member(alias="clock", namespace="tools", name="clock", uid="u")
        return MemberCatalogue(one, self.ask, changed=lambda _: None, book=self.book)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (member_lists, member_catalogue, group_items):
        monkeypatch.setattr(module, "LARGEST", MOST)


def kept(catalogue: MemberCatalogue, *profiles: Profile) -> list[MemberLists]:
    return [lists for one in profiles if (lists := catalogue.known(one)) is not None]


@pytest.mark.parametrize("name", SHAPES)
def test_a_value_weighs_what_it_takes(name: str) -> None:
    raw = orjson.dumps(SHAPES[name])
    read = orjson.loads(raw)
    taken = len(raw) + size_of(read, set())
    assert taken <= weight(raw) * 1.1
    assert weight(raw) <= taken * 4


def size_of(value: object, seen: set[int]) -> int:
    """All that is in it, what several have in common once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    return sys.getsizeof(value) + sum(size_of(part, seen) for part in parts)


async def test_all_kinds_of_clients_have_room_together() -> None:
    server = Server({kind(number): 30_000 for number in range(10)})
    catalogue = server.catalogue()
    await catalogue.refresh()
    for number in range(10):
        lists = await catalogue.get(kind(number), 5)
        assert lists is not None
        assert lists.names("tools/list")[0] == f"0-{kind(number).capabilities.hex()}"
        assert weight_of(kept(catalogue, BASE, *map(kind, range(10)))) <= MOST
    assert len(kept(catalogue, *map(kind, range(10)))) >= 2


async def test_a_kind_without_room_beside_the_base_has_what_the_base_has() -> None:
    server = Server({BASE: 70_000, kind(1): 60_000, kind(2): 10})
    catalogue = server.catalogue()
    await catalogue.refresh()
    base = catalogue.known(BASE)
    assert await catalogue.get(kind(1), 5) is base
    other = await catalogue.get(kind(2), 5)
    assert other is not None
    assert other is not base
    assert catalogue.state == "Ready"


async def test_what_is_read_at_once_has_room_together_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(member_lists, "A_TURN", 1)
    gate = asyncio.Event()
    server = Server({kind(1): 60_000, kind(2): 60_000}, gate=gate)
    catalogue = server.catalogue()
    await catalogue.refresh()
    base = catalogue.known(BASE)
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(catalogue.get(kind(number), 5)) for number in (1, 2)]
        await asyncio.sleep(0.01)
        gate.set()
    assert sum(one.result() is base for one in both) == 1
    server.sizes[BASE] = 20
    await catalogue.refresh()
    assert catalogue.state == "Ready"


async def test_few_kinds_are_asked_for_at_once() -> None:
    gate = asyncio.Event()
    server = Server({}, gate=gate)
    catalogue = server.catalogue()
    await catalogue.refresh()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(catalogue.get(kind(number), 5)) for number in range(8)]
        await asyncio.sleep(0.01)
        await catalogue.refresh()
        assert server.most == AT_ONCE + 1
        gate.set()
    names = [lists.names("tools/list")[0] for one in asking if (lists := one.result())]
    assert names == [f"0-{kind(number).capabilities.hex()}" for number in range(8)]


async def test_what_it_listed_before_is_not_remembered_beyond_that() -> None:
    door = Door([member("clock"), member("words")], {"clock": None, "words": None})

    def listing(alias: str, number: int, size: int) -> None:
        data = sized(f"t{number}", size)
        item = Item(data["name"], data, weight(orjson.dumps(data)))
        door.lists[alias] = MemberLists({}, {"tools/list": (item,)})

    for number in range(4):
        listing("clock", number, 30_000)
        listing("words", number, 300)
        shown = await door.page()
        assert [it["name"] for it in shown["tools"]] == [f"clock_t{number}", f"words_t{number}"]
    assert len(door.memo.parts["tools/list", "clock"]) == 3
    assert len(door.memo.parts["tools/list", "words"]) == 4
    listing("clock", 9, 90_000)
    await door.page()
    assert len(door.memo.parts["tools/list", "clock"]) == 1
