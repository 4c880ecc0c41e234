"""The proxy: the door in front of one or many MCP servers."""

from typing import Final

VERSION: Final = "0.1.0"
