"""Whatever is done to an audit trail is found, by name."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_cli.trail.chains import (
    NOTHING,
    Found,
    Head,
    audit_line,
    check_heads,
    follow,
    head_line,
)


def chain(count: int, pod: str = "a") -> list[bytes]:
    """As a proxy writes it."""
    lines, prev = [], NOTHING
    for seq in range(count):
        body: dict[str, Any] = {"id": f"{pod}{seq}", "time": "T"}
        start = {"event": "chain.start", "pod": f"pod-{pod}", "podUid": pod}
        body |= start if seq == 0 else {"event": "call"}
        raw = f'{{"seq":{seq},"prev":"{prev}",'.encode() + json.dumps(body).encode()[1:]
        prev = sha256(raw).hexdigest()
        lines.append(raw)
    return lines


def read(lines: Iterable[bytes], **options: bool) -> Found:
    found = (audit_line("f", number, text) for number, text in enumerate(lines, 1))
    return follow((line for line in found if line is not None), **options)


def test_whole_chains_of_several_pods_are_told_apart_however_they_are_mixed() -> None:
    one, two = chain(5), chain(3, "b")
    mixed = [one[0], two[0], b"noise\n", one[1], two[1], two[2], b"{}", one[2], one[3], one[4]]
    found = read(mixed)

    assert not found.gap
    assert [(it.pod_uid, it.first, it.last) for it in found.chains] == [("a", 0, 4), ("b", 0, 2)]
    assert found.lines == 8


@pytest.mark.parametrize(
    "prefix", [b"[pod/time-1/proxy] ", b"2026-11-26T10:00:00.0Z stdout F ", b""]
)
def test_a_prefix_is_passed_over(prefix: bytes) -> None:
    found = read(prefix + line + b"\r\n" for line in chain(4))
    assert (found.lines, found.gap) == (4, "")


@given(st.integers(2, 12), st.data())
def test_any_change_of_a_trail_is_found(count: int, data: st.DataObject) -> None:
    lines = chain(count)
    at = data.draw(st.integers(0, count - 2))
    how = data.draw(st.sampled_from(["take", "change", "swap", "twice", "put in"]))
    broken = list(lines)
    match how:
        case "take":
            del broken[at]
        case "change":
            broken[at] = broken[at].replace(b'"time": "T"', b'"time": "U"')
        case "swap":
            broken[at], broken[at + 1] = broken[at + 1], broken[at]
        case "twice":
            broken.insert(at, lines[at])
        case "put in":
            broken.insert(at + 1, chain(count, "x")[at + 1])

    found = read(broken)
    assert found.gap.startswith("f line ")
    assert read(lines).gap == ""


def test_what_is_missing_is_named() -> None:
    lines = chain(9)
    assert "lines 3 to 5 miss" in read([*lines[:3], *lines[6:]]).gap
    assert "of pod-a (a)" in read([*lines[:3], *lines[6:]]).gap
    assert "lines 0 to 3 are missing" in read(lines[4:]).gap


def test_the_beginning_may_be_missing_where_that_is_said() -> None:
    lines = chain(9)
    assert not read(lines[4:], from_middle=True).gap
    assert read([*lines[2:4], *lines[6:]], from_middle=True).chains[0].first == 2


def head(seq: int, digest: str, pod: str = "a") -> Head:
    return Head("log line 1", pod, seq, digest)


def test_an_end_that_was_cut_off_or_rewritten_does_not_fit_the_operators_heads() -> None:
    lines = chain(6)
    good = sha256(lines[4]).hexdigest()

    assert check_heads(read(lines), [head(4, good), head(-1, "")]) == ""
    assert "its end was cut off" in check_heads(read(lines[:3]), [head(4, good)])
    assert "rewritten" in check_heads(read(lines), [head(4, "0" * 64)])
    assert "no line of that pod" in check_heads(read(lines), [head(0, good, "z")])


def test_the_operators_log_is_read_line_by_line() -> None:
    said = {"message": "audit head", "podUid": "a", "auditSeq": 4, "auditHead": "f" * 64}
    assert head_line("o", 7, b"x " + json.dumps(said).encode()) == Head(
        "o line 7", "a", 4, "f" * 64
    )
    assert head_line("o", 7, b'{"message": "other"}') is None
    assert head_line("o", 7, b"{broken") is None


@pytest.mark.parametrize(
    "text",
    [b"", b"noise", b'{"seq":1}', b'{"seq":"1","prev":"x"}', b'{"seq":1,"prev":2}', b'{"seq":'],
)
def test_other_lines_are_none_of_a_trail(text: bytes) -> None:
    assert audit_line("f", 1, text) is None
