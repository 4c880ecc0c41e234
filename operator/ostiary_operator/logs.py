"""JSON log lines on stderr: one per decision or state change, key=value as fields.

Says nothing by itself; never a body, a token or a header value.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

LONGEST_TEXT: Final = 16 * 1024
"""Of one field: a stack fits, a name that somebody made long does not."""
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`log.info("applied", extra={"kind": "Service"})` -> one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # kopf attaches objects of its own to its records: only plain values are ours.
        line |= {
            key: value
            for key, value in vars(record).items()
            if key not in _OWN and isinstance(value, str | int | float | bool)
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # ASCII: a name must not turn a terminal's text around, nor a reader take its character
        # for the end of a line.
        return json.dumps({key: _cut(value) for key, value in line.items()})


def _cut(value: object) -> object:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def start_logging(level: str, stream: IO[str] | None = None) -> None:
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # "Handler 'x' succeeded." per event per object would be the whole log.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
