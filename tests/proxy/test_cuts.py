"""The words for a request that ends early: one of them for each way to end."""

import pytest

from ostiary_proxy.cuts import refusal
from ostiary_proxy.exchange import Cut

SAID: dict[Cut, tuple[int, str]] = {
    "silent": (504, "NoAnswer"),
    "revoked": (403, "Revoked"),
    "draining": (503, "Draining"),
}


@pytest.mark.parametrize(("cut", "said"), SAID.items(), ids=SAID.keys())
def test_what_the_proxy_ended_is_said_by_its_reason(cut: Cut, said: tuple[int, str]) -> None:
    told = refusal(cut)

    assert told is not None
    assert (told.status, told.reason) == said


@pytest.mark.parametrize("cut", [None, "broken", "gone", "overflow"])
def test_what_the_backend_did_is_for_others_to_say(cut: Cut | None) -> None:
    assert refusal(cut) is None
