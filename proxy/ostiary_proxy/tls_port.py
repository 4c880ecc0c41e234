"""The port that clients come to over TLS, with a certificate from a Secret's files, followed live.

A pair that cannot be used changes nothing while an older one serves, and is reported; without any,
the port stays closed.  New connections get the newest certificate, open ones keep theirs.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509

from ostiary_proxy.config import TLS_CERTIFICATE, TLS_KEY, TlsReport
from ostiary_proxy.folders import Folders
from ostiary_proxy.runtime import Runtime

LOOK_AGAIN_SECONDS: Final = 30.0
"""The files are compared this often even when nobody told of a change."""
LONGEST_FILE: Final = 256 * 1024
MOST_NAMES: Final = 32
LONGEST_NAME: Final = 253

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: bytes = b""
    key: bytes = b""
    trouble: str = ""


class Certificate:
    """Followed.  `report` says what is served, and what is wrong with anything newer."""

    def __init__(
        self,
        folder: Path,
        *,
        on_change: Callable[[], None],
        on_usable: Callable[[ssl.SSLContext], Awaitable[None]],
    ) -> None:
        """`on_usable`: called once, with the context to listen with."""
        self._folder = folder
        self._on_change = on_change
        self._on_usable = on_usable
        self._pair: _Pair | None = None
        self._current: ssl.SSLContext | None = None
        self.report = TlsReport(error="The certificate was not read yet.")

    async def run(self) -> None:
        """Read, then follow, until cancelled."""
        async with Folders([self._folder]) as watched:
            while True:
                await self.look()
                await watched.wait(LOOK_AGAIN_SECONDS)

    async def look(self) -> None:
        pair = await asyncio.to_thread(_read, self._folder)
        if pair == self._pair:
            return
        self._pair = pair
        made = await asyncio.to_thread(_use, self._folder, pair)
        if isinstance(made, str):
            log.error("certificate=refused error=%r", made)
            self.report = self.report.model_copy(update={"error": made})
        else:
            first, (self._current, self.report) = self._current is None, made
            log.info("certificate=read names=%s", ",".join(self.report.names))
            if first:
                await self._on_usable(self._front())
        self._on_change()

    def _front(self) -> ssl.SSLContext:
        """What listens: it hands each new connection to the newest certificate."""
        front = _bare_context()

        def newest(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            if self._current is not None:
                connection.context = self._current

        front.sni_callback = newest
        return front


class TlsPort:
    """Open while the config asks for it, once there is a certificate to show."""

    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        *,
        listen: Callable[[ssl.SSLContext], Awaitable[None]],
    ) -> None:
        """`listen`: opens the port.  It stays open until the process ends: what takes TLS out of
        the config makes new pods."""
        self._runtime = runtime
        self._certificate = Certificate(folder, on_change=runtime.changed, on_usable=listen)
        self._task: asyncio.Task[None] | None = None

    @property
    def report(self) -> TlsReport | None:
        """None: nobody asked for it."""
        return self._certificate.report if self._task is not None else None

    @property
    def missing(self) -> bool:
        return self.report is not None and not self.report.serving

    async def __aenter__(self) -> Self:
        self._stop = self._runtime.subscribe(self._follow)
        self._follow()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _follow(self) -> None:
        snapshot = self._runtime.snapshot
        if self._task is None and snapshot is not None and snapshot.config.tls:
            self._task = asyncio.get_running_loop().create_task(self._certificate.run())
            self._task.add_done_callback(_tell)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("certificate=unfollowed error=%r", task.exception())


def _read(folder: Path) -> _Pair:
    read: dict[str, bytes] = {}
    for name in (TLS_CERTIFICATE, TLS_KEY):
        try:
            read[name] = (folder / name).read_bytes()
        except OSError as err:
            return _Pair(trouble=f"{name} cannot be read ({err.strerror}).")
        if len(read[name]) > LONGEST_FILE:
            return _Pair(trouble=f"{name} is longer than {LONGEST_FILE} bytes.")
    return _Pair(read[TLS_CERTIFICATE], read[TLS_KEY])


def _use(folder: Path, pair: _Pair) -> tuple[ssl.SSLContext, TlsReport] | str:
    """A context, and what it shows; or what is wrong.  Never quotes a file."""
    if pair.trouble:
        return pair.trouble
    try:
        leaf = x509.load_pem_x509_certificates(pair.certificate)[0]
        names = _names(leaf)
    except ValueError:
        return f"{TLS_CERTIFICATE} holds no certificate in PEM."
    if b"PRIVATE KEY-----" not in pair.key:
        return f"{TLS_KEY} holds no private key in PEM."
    context = _bare_context()
    try:
        # An empty password: without one, OpenSSL would ask the terminal for an encrypted key's.
        context.load_cert_chain(folder / TLS_CERTIFICATE, folder / TLS_KEY, password="")
    except (ssl.SSLError, ValueError, OSError):
        return f"{TLS_KEY} is not the key of {TLS_CERTIFICATE}, or is encrypted."
    not_after = leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    return context, TlsReport(serving=True, notAfter=not_after, names=names)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = found.value.get_values_for_type(x509.DNSName)
    return tuple(name[:LONGEST_NAME].lower() for name in names[:MOST_NAMES])


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
