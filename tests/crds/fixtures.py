"""The fixture manifests: for each rule, documents that keep it and documents that break it.

A refused file begins with two comments: the path and the words that both walls answer with.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "fixtures"


@dataclass(frozen=True, slots=True)
class Fixture:
    slug: str
    document: dict[str, Any]
    path: str = ""
    message: str = ""

    def __str__(self) -> str:
        return self.slug


def accepted() -> list[Fixture]:
    return [
        Fixture(slug=f"{file.stem}-{index}", document=document)
        for file in sorted((FOLDER / "accepted").glob("*.yaml"))
        for index, document in enumerate(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    ]


def refused() -> list[Fixture]:
    found = []
    for file in sorted((FOLDER / "refused").glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        first, second = text.splitlines()[:2]
        path, message = (
            first.removeprefix("# path:").strip(),
            second.removeprefix("# message:").strip(),
        )
        for index, document in enumerate(yaml.safe_load_all(text)):
            found.append(Fixture(f"{file.stem}-{index}", document, path, message))
    return found
