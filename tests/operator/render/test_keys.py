"""Session masters: their objects, and whose turn it is."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

from tests.operator.build import stdio

from ostiary_operator.render.keys import (
    Key,
    Turn,
    newest_first,
    next_turn,
    render_key_config,
    render_key_secret,
)

NOW = datetime(2026, 7, 1, tzinfo=UTC)
MASTER = bytes(range(32))


def key(number: int, *, days: float) -> Key:
    return Key(number=number, sha256=f"{number:064x}", created=NOW - timedelta(days=days))


def test_the_hash_is_public_and_the_master_is_not() -> None:
    config = render_key_config(stdio(), 2, MASTER)
    secret = render_key_secret(stdio(), 2, MASTER, config_uid="c-1")

    assert config["metadata"]["name"] == secret["metadata"]["name"] == "time-key-2"
    assert config["data"] == {"sha256": hashlib.sha256(MASTER).hexdigest()}
    assert base64.b64decode(secret["data"]["master"]) == MASTER
    assert config["immutable"] is secret["immutable"] is True


def test_the_secret_goes_with_its_config_map() -> None:
    secret = render_key_secret(stdio(), 0, MASTER, config_uid="c-1")

    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ConfigMap", "time-key-0", "c-1")


def test_the_first_key_is_number_0() -> None:
    assert next_turn([], now=NOW) == Turn(create=0)


def test_a_young_key_is_left_alone() -> None:
    assert next_turn([key(0, days=29)], now=NOW) == Turn()


def test_an_old_key_gets_a_successor() -> None:
    assert next_turn([key(1, days=30)], now=NOW) == Turn(create=2)


def test_the_numbers_go_round() -> None:
    assert next_turn([key(3, days=31)], now=NOW) == Turn(create=0)


def test_a_key_goes_eight_days_after_its_successor_came() -> None:
    early = next_turn([key(0, days=38), key(1, days=7)], now=NOW)
    late = next_turn([key(0, days=39), key(1, days=8.1)], now=NOW)

    assert (early.retire, late.retire) == ((), (0,))


def test_a_name_that_somebody_else_holds_is_passed_over() -> None:
    assert next_turn([], now=NOW, foreign=frozenset({0, 1})) == Turn(create=2)


def test_all_four_taken_is_said() -> None:
    assert next_turn([], now=NOW, foreign=frozenset(range(4))) == Turn(exhausted=True)


def test_a_master_that_the_proxies_do_not_hold_gets_a_successor_at_once() -> None:
    assert next_turn([key(0, days=1)], now=NOW, unusable=frozenset({0})) == Turn(create=1)


def test_the_newest_comes_first() -> None:
    ordered = newest_first([key(3, days=40), key(0, days=1)], settled={0, 3})

    assert [(it.number, it.seals) for it in ordered] == [(0, True), (3, True)]


def test_one_that_some_pod_may_lack_only_opens_unless_it_is_alone() -> None:
    both = newest_first([key(3, days=40), key(0, days=0)], settled={3})
    alone = newest_first([key(0, days=0)], settled=())

    assert [(it.number, it.seals) for it in both] == [(0, False), (3, True)]
    assert [(it.number, it.seals) for it in alone] == [(0, True)]
