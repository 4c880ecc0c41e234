"""What a server outside the pod wants of the proxy, from files: header values and a CA bundle.

The files are followed, so that a credential is rotated without a restart.  A value is never logged,
reported or kept anywhere but in the bytes that go out; what cannot be used stops the requests.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from ostiary_proxy.config import Outside
from ostiary_proxy.folders import Folders
from ostiary_proxy.upstream import UnreachableError

LOOK_AGAIN_SECONDS: Final = 30.0
"""The files are compared this often even when nobody told of a change."""
FIRST_READ_SECONDS: Final = 5.0
LONGEST_VALUE: Final = 8 * 1024
LONGEST_BUNDLE: Final = 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files say: equal files need no second look."""

    lines: bytes = b""
    bundle: bytes | None = None
    trouble: str = ""


class UpstreamFiles:
    """Of one backend."""

    def __init__(self, outside: Outside, *, on_change: Callable[[], None]) -> None:
        self._outside = outside
        self._on_change = on_change
        self._read: _Read | None = None
        self._loaded = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self.lines = b""
        """The header lines, each with its end."""
        self.context: ssl.SSLContext | None = None
        """Always verifies; None: the server is spoken to without TLS."""

    async def ready(self) -> None:
        """Raises UnreachableError while the files are not to be used."""
        if not self._loaded.is_set():
            try:
                async with asyncio.timeout(FIRST_READ_SECONDS):
                    await self._loaded.wait()
            except TimeoutError as err:
                why = "The files of spec.upstream were not read in time."
                raise UnreachableError("CredentialsUnreadable", why) from err
        if self._trouble:
            raise UnreachableError("CredentialsUnreadable", self._trouble)

    async def run(self) -> None:
        """Read, then follow, until stopped."""
        self._task = asyncio.current_task()
        folders = sorted({path.parent for path in self._paths()})
        if not folders:
            await self.look()
            return
        async with Folders(folders) as watched:
            while True:
                await self.look()
                await watched.wait(LOOK_AGAIN_SECONDS)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def look(self) -> None:
        read = await asyncio.to_thread(_read, self._outside)
        if read != self._read:
            await self._take(read)
        self._loaded.set()

    async def _take(self, read: _Read) -> None:
        first, self._read = self._read is None, read
        trouble = read.trouble
        if self._outside.tls and not trouble:
            made = await asyncio.to_thread(_context, read.bundle)
            if isinstance(made, str):
                trouble = made
            else:
                self.context = made
        self._trouble = trouble
        self.lines = b"" if trouble else read.lines
        if trouble:
            log.error("upstream=refused error=%r", trouble)
        elif not first:
            log.info("upstream=read headers=%d", len(self._outside.headers))
        if not first:
            self._on_change()

    def _paths(self) -> list[Path]:
        given = [it.file for it in self._outside.headers] + [self._outside.caFile]
        return [Path(file) for file in given if file]


def _read(outside: Outside) -> _Read:
    lines = b""
    for header in outside.headers:
        try:
            value = Path(header.file).read_bytes().strip()
        except OSError as err:
            why = f"The value of header {header.name} cannot be read ({err.strerror})."
            return _Read(trouble=why)
        flaw = _flaw(value)
        if flaw:
            return _Read(trouble=f"The value of header {header.name} cannot be sent: {flaw}.")
        lines += b"%b: %b\r\n" % (header.name.encode(), value)
    if not outside.caFile:
        return _Read(lines)
    try:
        bundle = Path(outside.caFile).read_bytes()
    except OSError as err:
        return _Read(trouble=f"The CA bundle cannot be read ({err.strerror}).")
    return _Read(lines, bundle)


def _flaw(value: bytes) -> str:
    """Of a header's value; never quotes it."""
    if not value:
        return "it is empty"
    if len(value) > LONGEST_VALUE:
        return f"it is longer than {LONGEST_VALUE} bytes"
    if any(byte not in b"\t" and not 0x20 <= byte <= 0x7E for byte in value):
        return "it holds a line break or another character that is not printable ASCII"
    return ""


def _context(bundle: bytes | None) -> ssl.SSLContext | str:
    """There is no way to turn verification off."""
    if bundle is None:
        context = _system_context()
        if not context.cert_store_stats()["x509_ca"] and not _ca_folder():
            return "This proxy's image holds no CA certificates: give spec.upstream.caBundle."
        return context
    flaw = "The CA bundle of spec.upstream.caBundle holds no certificates in PEM."
    if len(bundle) > LONGEST_BUNDLE or b"-----BEGIN CERTIFICATE-----" not in bundle:
        return flaw
    context = _bare_context()
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return flaw
    return context


@lru_cache(maxsize=1)
def _system_context() -> ssl.SSLContext:
    context = _bare_context()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _ca_folder() -> bool:
    """Certificates of a folder are loaded when they are needed: they are not counted before."""
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and any(Path(folder).iterdir())


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks names and chains
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
