"""The proxy: the door in front of one or many MCP servers."""

from typing import Final

VERSION: Final = "0.1.0"

REFUSAL_KEY: Final = "ostiary.dev/refusal"
"""In an error's data, or a result's `_meta`: the id of the audit line that says why."""
