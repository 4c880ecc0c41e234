"""protocol.md 6.12: what a cell cannot do is said in the status, and explained in the docs."""

from pathlib import Path

from ostiary_proxy.cells import LEGACY_CLIENTS_LACK, MODERN_CLIENTS_LACK, not_bridged

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocol.md"


def test_a_server_of_one_era_leaves_the_clients_of_the_other_without_something() -> None:
    assert not_bridged(legacy=True, modern=False) == MODERN_CLIENTS_LACK
    assert not_bridged(legacy=False, modern=True) == LEGACY_CLIENTS_LACK


def test_a_server_of_both_eras_needs_no_bridge() -> None:
    assert not_bridged(legacy=True, modern=True) == ()
    assert not_bridged(legacy=False, modern=False) == ()


def test_the_page_explains_each_word_and_no_other() -> None:
    lines = PAGE.read_text().split("## What cannot cross")[1].splitlines()
    named = {line.split("|")[1].strip().strip("`") for line in lines if line.startswith("| `")}

    assert named == {*MODERN_CLIENTS_LACK, *LEGACY_CLIENTS_LACK}
