"""Which document a ConfigMap should hold, and under which generation."""

import hashlib
from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, policy, rule, stdio

from ostiary_operator.document import Document, choose, generation_of
from ostiary_operator.render import ServerView, proxy_config
from ostiary_operator.resources import Manifest
from ostiary_proxy.config import Issuer, ProxyConfig

OPEN = ServerView(policies=(policy(rule()),), namespaces={"tools": {}})
CLOSED = ServerView(namespaces={"tools": {}})
ISSUER = Issuer(kind="kubernetes", issuer="https://issuer.example", keys=({"kid": "a"},))


def chosen(
    view: ServerView = OPEN, *, live: Manifest | None = None, known: tuple[int, ...] = ()
) -> Document:
    wanted = proxy_config.render(stdio(), view, SETTINGS, ENV)
    return choose(wanted, live=live, known=known)


def holding(text: str) -> dict[str, Any]:
    return {"metadata": {"name": "time-proxy"}, "data": {"config.json": text}}


def test_the_first_document_is_generation_one() -> None:
    found = chosen()

    assert found.is_new
    assert found.config.generation == 1
    assert ProxyConfig.model_validate_json(found.text) == found.config


def test_what_stands_already_is_not_new() -> None:
    first = chosen()

    again = chosen(live=holding(first.text), known=(1,))

    assert not again.is_new
    assert again.text == first.text


def test_the_generation_grows_with_the_content() -> None:
    first = chosen()

    changed = chosen(CLOSED, live=holding(first.text))

    assert changed.is_new
    assert changed.config.generation == 2
    assert changed.config.servers[0].policies == ()


def test_a_change_and_its_undoing_are_two_generations() -> None:
    first = chosen()
    second = chosen(CLOSED, live=holding(first.text))

    third = chosen(live=holding(second.text))

    assert third.config.generation == 3


def test_a_deleted_config_map_comes_back_with_a_later_generation() -> None:
    found = chosen(live=None, known=(4, 6, 5))

    assert found.is_new
    assert found.config.generation == 7


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", "null", '{"generation": "9"}', '{"generation": -9}', "{}"],
    ids=["empty", "no json", "list", "null", "text", "negative", "nothing"],
)
def test_after_a_corruption_the_generation_goes_on_from_what_was_reported(text: str) -> None:
    found = chosen(live=holding(text), known=(4,))

    assert found.is_new
    assert found.config.generation == 5


def test_a_hand_that_changes_one_byte_makes_a_new_generation() -> None:
    first = chosen()

    found = chosen(live=holding(first.text + " "), known=(1,))

    assert found.is_new
    assert found.config.generation == 2


def test_a_hand_that_raises_the_generation_is_outnumbered() -> None:
    first = chosen()
    raised = first.config.model_copy(update={"generation": 40, "drainSeconds": 1})

    found = chosen(live=holding(raised.model_dump_json()), known=(1,))

    assert found.is_new
    assert found.config.generation == 41


def test_a_hand_that_puts_an_older_document_back_is_outnumbered() -> None:
    first = chosen()

    found = chosen(live=holding(first.text), known=(1, 2))

    assert found.is_new
    assert found.config.generation == 3


@pytest.mark.parametrize("live", [None, {"metadata": {}}, {"metadata": {}, "data": None}])
def test_a_config_map_without_data_holds_no_document(live: Manifest | None) -> None:
    assert chosen(live=live).config.generation == 1


def test_the_digest_is_that_of_the_bytes() -> None:
    found = chosen()

    assert found.digest == "sha256:" + hashlib.sha256(found.text.encode()).hexdigest()


def test_a_document_that_does_not_fit_is_said_to_be_too_large() -> None:
    names = {f"namespace-{number:050}": {"team": "all"} for number in range(16_000)}
    every = {"serviceAccounts": {"names": ["a"], "namespaces": {"from": "Selector"}}}
    every["serviceAccounts"]["namespaces"] |= {"selector": {"matchLabels": {"team": "all"}}}
    first = chosen()

    found = chosen(
        ServerView(policies=(policy(rule(every)),), namespaces=names), live=holding(first.text)
    )

    assert found.too_large
    assert found.config.generation == 2
    assert not first.too_large


@pytest.mark.parametrize(
    ("text", "generation"),
    [('{"generation": 3}', 3), ('{"generation": 0}', 0), ('{"generation": 1.5}', 0), ("x", 0)],
)
def test_a_generation_is_a_whole_number_above_zero(text: str, generation: int) -> None:
    assert generation_of(text) == generation
