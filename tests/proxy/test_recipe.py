"""What a session id holds, and who can read it (security.md row 7)."""

from typing import Any, Final

import pytest

from ostiary_proxy import recipe as recipes
from ostiary_proxy.message import Message, encode, parse
from ostiary_proxy.policy import Caller
from ostiary_proxy.recipe import LIVES_SECONDS, LONGEST_ID, PURPOSE, Owner
from ostiary_proxy.seal import Sealer

NOW: Final = 20_000 * 86400.0
PLANNER: Final = Caller.service_account("agents", "planner")
OWNER: Final = Owner("pod-1", "10.1.2.3")


def sealer(now: float = NOW) -> Sealer:
    return Sealer({0: b"k" * 32}, now=lambda: now, process_nonce=b"n" * 16)


def initialize(method: str = "initialize", **params: Any) -> Message:
    given = params.pop("params", params)
    message = parse(encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}))
    assert isinstance(message, Message)
    return message


def sealed(**params: Any) -> str:
    recipe = recipes.write(params, "2025-11-25", PLANNER, OWNER, NOW)
    return recipes.seal(recipe, sealer(), "u1")


def read(ident: str, caller: Caller = PLANNER, server: str = "u1", now: float = NOW) -> Any:
    return recipes.unseal(ident, caller, sealer(now), server, now)


def test_an_id_is_a_sealed_recipe() -> None:
    """Obligations 17 and 22."""
    ident = sealed(
        capabilities={"roots": {"listChanged": True}},
        clientInfo={"name": "c", "version": "2", "icons": [{"src": "data:"}]},
    )

    recipe = read(ident)

    assert ident.isascii()
    assert ident.isprintable()
    assert recipe.owner == OWNER
    assert recipe.hello == {
        "protocolVersion": "2025-11-25",
        "capabilities": {"roots": {"listChanged": True}},
        "clientInfo": {"name": "c", "version": "2"},
    }


def test_another_principal_another_server_and_a_later_week_read_nothing() -> None:
    ident = sealed()

    assert read(ident) is not None
    assert read(ident, caller=Caller.service_account("agents", "other")) is None
    assert read(ident, caller=Caller.anonymous()) is None
    assert read(ident, server="u2") is None
    assert read(ident, now=NOW + LIVES_SECONDS) is not None
    assert read(ident, now=NOW + LIVES_SECONDS + 1) is None


def test_what_another_proxy_wrote_in_another_form_is_nothing() -> None:
    assert read(sealer().seal(PURPOSE, b"u1", b'{"n":"AAAA"}')) is None
    assert read("backend-1") is None
    assert read("x" * 5000) is None


def test_ids_are_never_alike() -> None:
    assert len({sealed() for _ in range(100)}) == 100


LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"clientInfo": {"name": LONG, "version": LONG}}, {}),
        ({"capabilities": {"sampling": {}, "experimental": {"x": LONG}}}, {"sampling": {}}),
        ({"capabilities": {"sampling": {}, "elicitation": {"x": LONG}}}, None),
        ({"capabilities": {LONG: {}}}, {}),
        ({"capabilities": {f"capability-{n}": {} for n in range(500)}}, {}),
        ({"capabilities": LONG, "clientInfo": [LONG]}, {}),
    ],
    ids=["name", "experimental", "known", "key", "many", "wrong types"],
)
def test_an_id_stays_short_however_long_a_client_speaks_of_itself(
    params: dict[str, Any], left: Any
) -> None:
    ident = sealed(**params)

    assert len(ident) <= LONGEST_ID
    expected = {"sampling": {}, "elicitation": {}} if left is None else left
    assert read(ident).capabilities == expected


def test_what_no_id_is_made_of_is_held_to_what_an_id_could_hold() -> None:
    long = "x" * LONGEST_ID

    def kept(**capabilities: Any) -> Any:
        params = {"capabilities": capabilities}
        recipe = recipes.write(params, f"2025-11-25{long}", PLANNER, OWNER, NOW)
        short = recipes.shortened(recipe)
        assert len(short.version) < LONGEST_ID
        return short.capabilities

    assert kept(roots={"listChanged": True}) == {"roots": {"listChanged": True}}
    assert kept(roots={"listChanged": True}, experimental={"x": long}) == {
        "roots": {"listChanged": True}
    }
    assert kept(roots={"x": long}) == {"roots": {}}
