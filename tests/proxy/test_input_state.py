"""A `requestState` is good for one principal, one server, one request, and not for long."""

from typing import Any

import pytest

from ostiary_proxy.input_state import Waiting, digest, seal, unseal
from ostiary_proxy.message import Message
from ostiary_proxy.policy import Caller
from ostiary_proxy.seal import Sealer

ME = Caller.service_account("agents", "planner")
OTHER = Caller.service_account("agents", "other")
SEALER = Sealer({0: b"k" * 32}, now=lambda: 1000.0, process_nonce=b"n" * 16)
FOREIGN = Sealer({0: b"x" * 32}, now=lambda: 1000.0, process_nonce=b"n" * 16)


def call(method: str = "tools/call", **params: Any) -> Message:
    named = {"name": "ask", "arguments": {"a": 1, "b": 2}, **params}
    return Message("request", 1, method, named, {}, b"")


def sealed() -> str:
    return seal(Waiting("h1", "pod-1"), call(), ME, SEALER, server="u1", expires=1500.0)


def test_the_retry_of_the_same_request_opens_it() -> None:
    retry = call(
        arguments={"b": 2, "a": 1}, inputResponses={"q": {}}, requestState="s", _meta={"x": 1}
    )

    assert unseal(sealed(), retry, ME, SEALER, server="u1", now=1400.0) == Waiting("h1", "pod-1")


REFUSED: dict[str, dict[str, Any]] = {
    "another principal": {"caller": OTHER},
    "another server": {"server": "u2"},
    "another tool": {"message": call(name="other")},
    "other arguments": {"message": call(arguments={"a": 2, "b": 2})},
    "another method": {"message": call("prompts/get")},
    "too late": {"now": 1501.0},
    "another key": {"sealer": FOREIGN},
    "no state": {"state": None},
    "a state of another kind": {"state": SEALER.seal(b"session", b"u1", b"{}")},
    "a forgery": {"state": "AAAA"},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_does_not(change: dict[str, Any]) -> None:
    """Obligation 33: tampered, foreign and expired states alike."""
    given = {
        "state": sealed(),
        "message": call(),
        "caller": ME,
        "sealer": SEALER,
        "server": "u1",
        "now": 1400.0,
        **change,
    }
    where = {key: given[key] for key in ("server", "now")}

    opened = unseal(given["state"], given["message"], given["caller"], given["sealer"], **where)

    assert opened is None


def test_one_bit_of_it_makes_it_void() -> None:
    state = sealed()
    for place in range(0, len(state), 7):
        changed = "A" if state[place] != "A" else "B"
        broken = state[:place] + changed + state[place + 1 :]
        assert unseal(broken, call(), ME, SEALER, server="u1", now=1400.0) is None


def test_the_digest_is_of_what_a_retry_must_repeat() -> None:
    assert digest(call()) == digest(call(requestState="x", inputResponses={}))
    assert digest(call()) != digest(call(odd=1))
