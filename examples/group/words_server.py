"""Two tools on text: an MCP server over stdio, built on the Python SDK."""

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("words", version="1.0", log_level="WARNING")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def count(text: str) -> int:
    """How many words the text has."""
    return len(text.split())


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def redact(text: str, word: str) -> str:
    """The text with each occurrence of the word blacked out."""
    return text.replace(word, "█" * len(word))


if __name__ == "__main__":
    server.run("stdio")
