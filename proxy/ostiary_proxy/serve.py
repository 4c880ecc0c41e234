"""One proxy process, put together: state, backends, ports.  Both roles.

The sidecar adds what follows files and signals (`__main__`); `ostiary up` calls `apply` itself.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self

from prometheus_client.core import Metric

from ostiary_proxy import VERSION
from ostiary_proxy.addresses import Resolve, by_dns
from ostiary_proxy.admin import Admin
from ostiary_proxy.app import make_app
from ostiary_proxy.asgi import Application
from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.backends import Backends
from ostiary_proxy.config import CATALOGUE_TOKEN, TLS_DIR, ProxyConfig, ServerReport
from ostiary_proxy.document import check, digest_of
from ostiary_proxy.drain import ACCEPT_SECONDS, Drain
from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.metrics import Metrics, counter, gauge, gauges, member_gauges
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.status import Status
from ostiary_proxy.tls_port import TlsPort
from ostiary_proxy.upgrade import UpgradingProtocol

ANY_PORT: Final = 0


class Proxy:
    """Serves from entry to exit.  Binds when entered: OSError when a port is taken."""

    def __init__(
        self,
        *,
        role: Literal["sidecar", "gateway", "local"],
        audit_stream: BinaryIO,
        host: str = "127.0.0.1",
        port: int = ANY_PORT,
        admin_port: int | None = None,
        tls_port: int = ANY_PORT,
        tls_dir: Path | None = None,
        keys_dir: Path | None = None,
        pod: str = "",
        pod_uid: str = "",
        address: str = "",
        catalogue_token: Path = Path(CATALOGUE_TOKEN),
        resolve: Resolve = by_dns,
        now: Callable[[], float] = time.time,
        accept_seconds: float = ACCEPT_SECONDS,
    ) -> None:
        """`host` empty: every address; `admin_port` None: no admin port; `keys_dir` None: the
        session keys are made here and die with the process; `tls_dir`: where the certificate of
        `tls_port` is, once a config asks for that port; `address`: of this pod, among the
        other pods of its server; `catalogue_token`: a gateway's own, for its members' lists;
        `resolve`: a name to the addresses of its pods."""
        self._host, self._ports, self._tls_at = host, (port, admin_port), tls_port
        self._stack = AsyncExitStack()
        self._listeners: list[Listener] = []
        self._doors: list[Listener] = []
        """Where clients come in: all of them but the admin port."""
        audit = Audit(audit_stream, now=now, pod=pod, pod_uid=pod_uid, version=VERSION)
        self._stack.callback(audit.close)
        self.runtime = Runtime(audit, Metrics(), role, pod, pod_uid, address, now=now)
        self.assembler = Assembler(keys_dir=keys_dir, now=now, on_unknown_kid=self.runtime.changed)
        self.runtime.catalogue_token = catalogue_token
        self.backends = Backends(runtime=self.runtime, resolve=resolve, port=self._own_port)
        self._tls = TlsPort(self.runtime, tls_dir or Path(TLS_DIR), listen=self._listen_tls)
        self._app = make_app(self.runtime, self.backends, resolve)
        self.drain = self._make_drain(accept_seconds)

    def _make_drain(self, accept_seconds: float) -> Drain:
        return Drain(
            runtime=self.runtime,
            in_flight=lambda: self.backends.in_flight + self.runtime.reading,
            finish=self.backends.drain,
            stop_accepting=self._stop_accepting,
            accept_seconds=accept_seconds,
        )

    def _own_port(self) -> int:
        return self._listeners[0].port

    @property
    def port(self) -> int:
        return self._own_port()

    @property
    def tls_port(self) -> int:
        """Once it is open."""
        return self._doors[1].port

    @property
    def admin_port(self) -> int:
        return self._listeners[1].port

    def reports(self) -> tuple[ServerReport, ...]:
        """What is known of each backend."""
        return self.backends.reports()

    def apply(self, config: ProxyConfig) -> None:
        """Put a config in force at once (local role).  ValueError: a sentence about what is wrong,
        and the config before stays in force."""
        wrong = "; ".join(check(config, self.runtime.role))
        if wrong:
            raise ValueError(wrong)
        digest = digest_of(config.model_dump_json().encode())
        self.runtime.swap(self.assembler.build(config, digest))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as building:
            building.push_async_exit(self._stack)
            await self._start()
            building.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        await self._stack.enter_async_context(self.backends)
        status = Status(
            runtime=self.runtime, reports=self.backends.reports, tls=lambda: self._tls.report
        )
        self._stack.callback(self.runtime.subscribe(status.wake))
        self._stack.callback(self.backends.subscribe(status.wake))
        self.runtime.metrics.watch(self._figures)
        admin = Admin(runtime=self.runtime, status=status, missing=self._missing)
        await self._open_door(self._ports[0])
        if self._ports[1] is not None:
            await self._listen(admin, self._ports[1], LimitedProtocol)
        await self._stack.enter_async_context(self._tls)

    async def _open_door(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._doors.append(await self._listen(self._app, port, UpgradingProtocol, context))

    async def _listen_tls(self, context: ssl.SSLContext) -> None:
        await self._open_door(self._tls_at, context)

    async def _listen(
        self,
        app: Application,
        port: int,
        protocol: type[LimitedProtocol],
        context: ssl.SSLContext | None = None,
    ) -> Listener:
        sockets = bind(self._host, port)
        listener = Listener(app, sockets, protocol=protocol, context=context)
        self._stack.push_async_callback(listener.close)
        await listener.start()
        self._listeners.append(listener)
        return listener

    def _stop_accepting(self) -> None:
        """The admin port goes on: it says that this proxy drains."""
        for door in self._doors:
            door.stop_accepting()

    def _missing(self) -> Iterator[str]:
        """Why this proxy is not ready, in words that tell an anonymous reader nothing."""
        runtime = self.runtime
        if runtime.snapshot is None or runtime.deny_all:
            yield "config"
        elif runtime.snapshot.lacks_keys:
            yield "keys"
        if not all(listener.open for listener in self._listeners):
            yield "ports"
        if self._tls.missing:
            yield "certificate"
        if runtime.draining:
            yield "draining"
        elif not self.backends.ready():
            yield "backend"

    def _figures(self) -> Iterator[Metric]:
        runtime = self.runtime
        generation = runtime.snapshot.generation if runtime.snapshot else 0
        dropped = runtime.audit.dropped
        yield counter("ostiary_audit_dropped", "Audit events that were lost.", dropped)
        yield gauge("ostiary_config_generation", "The generation in force.", generation)
        yield gauge(
            "ostiary_config_refused",
            "1 while a newer document cannot be used.",
            bool(runtime.config_error),
        )
        yield gauge("ostiary_denying_all", "1 while everybody is denied.", runtime.deny_all)
        yield gauges(
            "ostiary_tools_unapproved",
            "Tools that are not as spec.tools.pin approves them.",
            self.backends.unapproved(),
        )
        yield member_gauges(
            "ostiary_member_ready",
            "1 while a member of a group lists what it has.",
            self.backends.members(),
        )
        yield gauge("ostiary_draining", "1 while this proxy says goodbye.", runtime.draining)
