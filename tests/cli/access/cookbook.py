"""The cookbook's page, taken apart: of each recipe its manifests, commands and questions."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "cookbook.md"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| `(.+)` \| (yes|no: \w+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    title: str
    yaml: str
    commands: tuple[tuple[str, ...], ...]
    """The words after `ostiary`."""
    questions: tuple[tuple[tuple[str, ...], str], ...]
    """The words after `ostiary can-i`, and the reason: `Allowed` for a yes."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all(self.yaml))


def recipes() -> Iterator[Recipe]:
    for part in PAGE.read_text().split("\n## ")[1:]:
        blocks = _BLOCK.findall(part)
        [manifests] = [text for kind, text in blocks if kind == "yaml"]
        lines = [line for kind, text in blocks if kind == "sh" for line in text.splitlines()]
        rows = _ROW.findall(part)
        assert len(rows) == part.count("\n| `") - 1, "a row that is no question and answer"
        yield Recipe(
            title=part.splitlines()[0],
            yaml=manifests,
            commands=tuple(tuple(shlex.split(line)[1:]) for line in lines),
            questions=tuple(
                (tuple(shlex.split(words)), answer.removeprefix("no: ").replace("yes", "Allowed"))
                for words, answer in rows
            ),
        )


RECIPES: Final = tuple(recipes())
