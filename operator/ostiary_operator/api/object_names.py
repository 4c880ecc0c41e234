"""What a server or a group may be called: URLs guessable, names of children free of clashes."""

import re
from typing import Final

from .schema import Rule

NAME_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
TAKEN_ENDINGS: Final = "-(group|pods|mcp|proxy|key-[0-9]+)$"
SERVER_NAME_LENGTH: Final = 54
GROUP_NAME_LENGTH: Final = 52
"""A group's children bear `-group` behind its name."""


def name_rules(length: int, example: str) -> tuple[Rule, ...]:
    return (
        Rule(
            cel=f"self.metadata.name.size() <= {length} "
            f"&& self.metadata.name.matches('{NAME_PATTERN}')",
            message=f"name: begin with a letter, then letters, digits and '-', "
            f"{length} characters at most, for example {example}",
            holds=lambda it: (
                len(it.metadata.name) <= length
                and re.fullmatch(NAME_PATTERN[1:-1], it.metadata.name) is not None
            ),
        ),
        Rule(
            cel=f"!self.metadata.name.matches('{TAKEN_ENDINGS}')",
            message="name: the endings -group, -pods, -mcp, -proxy and -key-N belong to objects "
            "that the operator makes: choose another",
            holds=lambda it: re.search(TAKEN_ENDINGS, it.metadata.name) is None,
        ),
    )
