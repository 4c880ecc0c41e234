"""Notes for agents: an MCP server over streamable HTTP, built on the Python SDK.

Notes live in memory and are gone with the process; with --file they are kept in that file.
"""

import argparse
import json
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

READ_ONLY = ToolAnnotations(read_only_hint=True)


class Note(BaseModel):
    title: str
    text: str


class Notes:
    def __init__(self, file: Path | None) -> None:
        self._file = file
        kept = json.loads(file.read_text()) if file and file.exists() else []
        self._notes = {note.title: note for note in map(Note.model_validate, kept)}

    def all(self) -> list[Note]:
        return sorted(self._notes.values(), key=lambda note: note.title)

    def get(self, title: str) -> Note:
        if title not in self._notes:
            raise ToolError(f"There is no note called {title!r}.")
        return self._notes[title]

    def put(self, note: Note) -> None:
        self._notes[note.title] = note
        self._keep()

    def remove(self, title: str) -> None:
        self.get(title)
        del self._notes[title]
        self._keep()

    def _keep(self) -> None:
        if self._file:
            self._file.write_text(json.dumps([note.model_dump() for note in self.all()]))


def serve(notes: Notes) -> MCPServer:
    server = MCPServer(
        "notes",
        version="1.0",
        instructions="A notebook shared by all callers.",
        log_level="WARNING",
    )

    @server.tool(annotations=READ_ONLY)
    def list_notes() -> list[str]:
        """Titles of all notes."""
        return [note.title for note in notes.all()]

    @server.tool(annotations=READ_ONLY)
    def search_notes(word: str) -> list[Note]:
        """Notes whose title or text holds the word, in any case."""
        wanted = word.casefold()
        return [n for n in notes.all() if wanted in f"{n.title}\n{n.text}".casefold()]

    @server.tool()
    def write_note(title: str, text: str) -> str:
        """Write a note; one of the same title is replaced."""
        notes.put(Note(title=title, text=text))
        return f"Written: {title}"

    @server.tool(annotations=ToolAnnotations(destructive_hint=True))
    def delete_note(title: str) -> str:
        """Delete a note for good."""
        notes.remove(title)
        return f"Deleted: {title}"

    @server.resource("note://{title}", mime_type="text/plain")
    def note(title: str) -> str:
        """The text of a note."""
        return notes.get(title).text

    return server


def main() -> None:
    parser = argparse.ArgumentParser(description="Notes for agents, over streamable HTTP.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--file", type=Path, help="where the notes are kept")
    options = parser.parse_args()
    serve(Notes(options.file)).run("streamable-http", host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
