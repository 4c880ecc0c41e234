"""Makes a sidecar small: a thousand of them run in a cluster, each idle most of the time.

To be called before anything else is imported, in a process that is a proxy and nothing more
(`ostiary up` is not: what it loads may want these packages whole).
"""

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h>."""


def before_imports() -> None:
    """Measured: 6 MiB and a quarter of the start."""
    # pydantic looks through every installed distribution for plugins; there are none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    _uvicorn_without_click()
    # Two quiet threads need no heaps of their own.
    _tell_malloc("mallopt", _M_ARENA_MAX, 1)


def after_start() -> None:
    """What is alive now stays for good: give back the rest, and let the collector skip it."""
    gc.collect()
    gc.freeze()
    _tell_malloc("malloc_trim", 0)


def _uvicorn_without_click() -> None:
    """Register the package without running its `__init__`, which imports a command line; the
    modules in it import as ever, and find the one name that they ask the package for."""
    spec = importlib.util.find_spec("uvicorn")
    if spec is None or "uvicorn" in sys.modules:
        return
    package = sys.modules["uvicorn"] = importlib.util.module_from_spec(spec)
    package.Config = importlib.import_module("uvicorn.config").Config  # type: ignore[attr-defined]


def _tell_malloc(call: str, *arguments: int) -> None:
    """glibc's; another C library has neither the call nor the need."""
    function = getattr(ctypes.CDLL(None), call, None)
    if function is not None:
        function(*arguments)
