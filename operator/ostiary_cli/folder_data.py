"""ConfigMaps and Secrets of a folder as text by key.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .documents import Refused, text_of


@dataclass(frozen=True, slots=True)
class Data:
    """A ConfigMap or a Secret: text by key."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A part that is no text, and why; the message never repeats it: it may be a secret."""

    field: str
    message: str


def data_of(kind: str, body: Mapping[str, Any]) -> tuple[Data, tuple[Unusable, ...]]:
    """Whatever can be read of it, and what cannot."""
    plain, encoded = ("stringData", "data") if kind == "Secret" else ("data", "binaryData")
    values: dict[str, str] = {}
    wrong: list[Unusable] = []
    for name in (encoded, plain):  # a Secret's stringData wins over its data
        entries = body.get(name) or {}
        if not isinstance(entries, dict):
            wrong.append(Unusable(name, " is no mapping"))
            continue
        for entry, value in entries.items():
            text = text_of(value, encoded=name == encoded)
            if isinstance(text, Refused):
                wrong.append(Unusable(f"{name}.{entry}", f": {text.message}"))
            else:
                values[entry] = text
    return Data(values), tuple(wrong)
