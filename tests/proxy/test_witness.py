"""What is learnt of a remote from the answers that pass by."""

from typing import Any

import orjson
import pytest
from tests.proxy.peers.scripted import error, result

from ostiary_proxy.era import LEGACY, MODERN
from ostiary_proxy.message import Message, parse
from ostiary_proxy.observe import Seen
from ostiary_proxy.witness import Witness


def message(method: str, **params: Any) -> Message:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    parsed = parse(orjson.dumps(body))
    assert isinstance(parsed, Message)
    return parsed


def tools(*names: str, cursor: str = "") -> bytes:
    listed: dict[str, Any] = {"tools": [{"name": name} for name in names]}
    return result(1, {**listed, "nextCursor": cursor} if cursor else listed)


def shaken(version: str) -> bytes:
    info = {"name": "saas", "version": "7"}
    return result(1, {"protocolVersion": version, "capabilities": {}, "serverInfo": info})


def names(seen: Seen) -> list[str]:
    return [tool.name for tool in seen.tools]


@pytest.fixture
def news() -> list[int]:
    return []


@pytest.fixture
def witness(news: list[int]) -> Witness:
    return Witness(lambda: news.append(1))


def test_nothing_is_claimed_before_anything_was_heard(witness: Witness) -> None:
    seen = witness.merged(Seen())

    assert seen.protocol == ""
    assert seen.spoken == LEGACY


def test_a_handshake_tells_who_it_is_and_what_it_speaks(witness: Witness, news: list[int]) -> None:
    witness.heard(message("initialize"), shaken("2025-06-18"))
    witness.heard(message("initialize"), shaken("2025-03-26"))

    seen = witness.merged(Seen())
    assert (seen.name, seen.version, seen.protocol) == ("saas", "7", "2025-06-18")
    assert news == [1]


def test_a_modern_server_that_shakes_no_hands_is_known_as_one(witness: Witness) -> None:
    witness.heard(message("initialize"), error(1, -32022))

    seen = witness.merged(Seen(modern=MODERN))
    assert seen.spoken == MODERN
    assert seen.protocol == MODERN[-1]


async def test_a_list_is_whole_once_its_last_page_came(witness: Witness, news: list[int]) -> None:
    witness.heard(message("tools/list"), tools("a", "b", cursor="2"))
    before = list(news)
    witness.heard(message("tools/list", cursor="2"), tools("c"))
    await witness.study()

    assert before == []
    assert names(witness.known) == ["a", "b", "c"]
    assert news == [1]


async def test_a_page_whose_beginning_nobody_saw_says_nothing(witness: Witness) -> None:
    witness.heard(message("tools/list", cursor="9"), tools("z"))
    await witness.study()

    assert names(witness.known) == []


def test_the_same_list_again_is_no_news(witness: Witness, news: list[int]) -> None:
    for _ in range(3):
        witness.heard(message("tools/list"), tools("a"))

    assert news == [1]


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", error(1, -32603), result(1, {"tools": 3})])
async def test_an_answer_that_is_no_list_changes_nothing(witness: Witness, answer: bytes) -> None:
    witness.heard(message("tools/list"), tools("a"))
    witness.heard(message("tools/list"), answer)
    await witness.study()

    assert names(witness.known) == ["a"]


def test_lists_that_are_never_read_to_the_end_cost_little(witness: Witness) -> None:
    for number in range(1000):
        witness.heard(message("tools/list"), tools("a", cursor=f"next-{number}"))

    assert len(witness._pages) <= 16
