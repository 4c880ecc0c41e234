"""What of a server's tools is not as it was approved."""

import pytest
from pydantic import ValidationError

from ostiary_proxy.config import Drift, Pin, ToolPin, ToolReport, drift

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def tools(**digests: str) -> tuple[ToolReport, ...]:
    return tuple(ToolReport(name=name, digest=it) for name, it in digests.items())


def pins(**digests: str) -> tuple[ToolPin, ...]:
    return tuple(ToolPin(name=name, digest=it) for name, it in digests.items())


def test_each_tool_is_held_against_its_own_digest() -> None:
    pin = Pin(mode="Warn", tools=pins(a=A, b=B, gone=C))
    found = drift(pin, C, tools(b=A, a=A, new=C))
    assert found == Drift(changed=("b",), appeared=("new",), vanished=("gone",))
    assert found.unapproved == ("b", "new")
    assert not drift(pin, C, tools(a=A, b=B, gone=C))


def test_a_name_may_have_several_digests() -> None:
    pin = Pin(tools=(*pins(a=A), *pins(a=B)))
    assert not drift(pin, C, tools(a=A))
    assert not drift(pin, C, tools(a=B))
    assert drift(pin, C, tools(a=C)).changed == ("a",)


def test_the_whole_set_is_approved_while_it_is_just_this_one() -> None:
    pin = Pin(digest=A)
    assert not drift(pin, A, tools(a=A))
    assert drift(pin, B, tools(a=A)) == Drift(appeared=("a",), whole=True)
    assert not drift(Pin(digest=A, tools=pins(a=A)), B, tools(a=A))


def test_nothing_approved_approves_nothing() -> None:
    assert not Pin(mode="Enforce").approves_any
    assert drift(Pin(mode="Enforce"), A, tools(a=A)).appeared == ("a",)


@pytest.mark.parametrize("bad", ["", "sha256:", f"sha256:{'A' * 64}", "a" * 64])
def test_a_digest_has_one_form(bad: str) -> None:
    with pytest.raises(ValidationError):
        ToolPin(name="a", digest=bad)
