"""Log lines as a log store reads them."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from ostiary_operator.logs import JsonFormatter, start_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    quiet = [logging.getLogger(name) for name in ("kopf.objects", "aiohttp.access")]
    before = root.handlers[:], root.level, [logger.level for logger in quiet]
    start_logging("INFO", stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for logger, level in zip(quiet, before[2], strict=True):
        logger.setLevel(level)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields(lines: io.StringIO) -> None:
    logging.getLogger("ostiary_operator.apply").info(
        "applied %d", 3, extra={"kind": "Service", "seconds": 0.5}
    )

    (line,) = read(lines)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "logger": "ostiary_operator.apply",
        "message": "applied 3",
        "kind": "Service",
        "seconds": 0.5,
    }


def test_a_message_of_many_lines_stays_on_one(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("one\ntwo é")

    assert lines.getvalue().count("\n") == 1
    assert read(lines)[0]["message"] == "one\ntwo é"


@pytest.mark.parametrize(
    "name",
    ["\u2028a\u2029b\x85c", "\u202egnp", "\x1b[2J\x07", "\ud800", '"}\n{"level":"error"}'],
    ids=ascii,
)
def test_a_hostile_name_adds_no_line_and_turns_nothing(name: str) -> None:
    # A logger of its own: what pytest keeps of the others' lines travels between its processes,
    # where a lone surrogate ends the run.
    lines, logger = io.StringIO(), logging.Logger("x")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)

    logger.warning("said %s", name, extra={"object": name})

    assert lines.getvalue().endswith("}\n")
    (line,) = read(lines)
    assert line["object"] == name
    assert lines.getvalue().rstrip("\n").isascii()
    assert lines.getvalue().rstrip("\n").isprintable()


def test_a_name_of_any_length_makes_no_long_line(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("said", extra={"object": "n" * 1_000_000})

    assert len(lines.getvalue()) < 20_000


def test_a_traceback_stays_on_the_line_of_its_error(lines: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")

    (line,) = read(lines)
    assert line["level"] == "error"
    assert line["error"].endswith("ValueError: broken")


def test_objects_that_others_attach_are_left_out(lines: io.StringIO) -> None:
    logging.getLogger("x").info("said", extra={"settings": object(), "k8s_ref": {"a": 1}})

    assert set(read(lines)[0]) == {"time", "level", "logger", "message"}


def test_what_is_below_the_level_is_not_written(lines: io.StringIO) -> None:
    logging.getLogger("x").debug("too small")
    logging.getLogger("kopf.objects").info("Handler succeeded.")
    logging.getLogger("aiohttp.access").info("GET /metrics")

    assert read(lines) == []
