"""How a child ended, as the shim's last line or the kernel tells it, in a sentence.  Pure."""

import re
from typing import Final

from ostiary_proxy.config import SHIM_EXIT_KEY
from ostiary_proxy.lines import Exit
from ostiary_proxy.message import decode

_SIGNAL: Final = re.compile("[A-Za-z0-9 +]{1,24}")


def shim_exit(line: bytes) -> Exit | None:
    """The shim's own last line; None for a line of the child's that only looks like it."""
    data = decode(line)
    if not isinstance(data, dict) or set(data) != {SHIM_EXIT_KEY}:
        return None
    told = data[SHIM_EXIT_KEY]
    if not isinstance(told, dict):
        return None
    error = "".join(filter(str.isprintable, str(told.get("error") or "")[:200]))
    if error:
        return Exit(_start_reason(error), f"The command could not be started: {error}")
    # The command itself can write such a line: only what has the form is repeated.
    ended, code = told.get("signal"), told.get("code")
    if isinstance(ended, str) and _SIGNAL.fullmatch(ended):
        return Exit("CommandExited", f"The command was ended by signal {ended}.")
    if isinstance(code, int) and 0 <= code <= 255:
        return Exit("CommandExited", f"The command exited with status {code}.")
    return Exit("CommandExited", "The command ended.")


def _start_reason(error: str) -> str:
    lower = error.lower()
    missing = "no such file" in lower or "not found" in lower
    return "CommandNotFound" if missing else "CommandExited"


def own_exit(code: int | None) -> Exit:
    if code is not None and code < 0:
        return Exit("CommandExited", f"The command was ended by signal {-code}.")
    return Exit("CommandExited", f"The command exited with status {code}.")
