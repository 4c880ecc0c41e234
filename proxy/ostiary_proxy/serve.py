"""One proxy process, put together: state, backends, ports.  Both roles.

The sidecar adds what follows files and signals (`__main__`); `ostiary up` calls `apply` itself.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self

from prometheus_client.core import Metric

from ostiary_proxy import VERSION
from ostiary_proxy.admin import Admin
from ostiary_proxy.app import make_app
from ostiary_proxy.asgi import Application
from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.backends import Backends
from ostiary_proxy.config import ProxyConfig, ServerReport
from ostiary_proxy.document import check, digest_of
from ostiary_proxy.drain import ACCEPT_SECONDS, Drain
from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.metrics import Metrics, counter, gauge
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.status import Status

ANY_PORT: Final = 0


class Proxy:
    """Serves from entry to exit.  Binds when entered: OSError when a port is taken."""

    def __init__(
        self,
        *,
        role: Literal["sidecar", "local"],
        audit_stream: BinaryIO,
        host: str = "127.0.0.1",
        port: int = ANY_PORT,
        admin_port: int | None = None,
        keys_dir: Path | None = None,
        pod: str = "",
        pod_uid: str = "",
        now: Callable[[], float] = time.time,
        accept_seconds: float = ACCEPT_SECONDS,
    ) -> None:
        """`host` empty: every address; `admin_port` None: no admin port; `keys_dir` None: the
        session keys are made here and die with the process."""
        self._host, self._ports = host, (port, admin_port)
        self._stack = AsyncExitStack()
        self._listeners: list[Listener] = []
        audit = Audit(audit_stream, now=now, pod=pod, pod_uid=pod_uid, version=VERSION)
        self._stack.callback(audit.close)
        self.runtime = Runtime(
            audit=audit, metrics=Metrics(), role=role, pod=pod, pod_uid=pod_uid, now=now
        )
        self.assembler = Assembler(keys_dir=keys_dir, now=now, on_unknown_kid=self.runtime.changed)
        self.backends = Backends(runtime=self.runtime)
        self.drain = Drain(
            runtime=self.runtime,
            in_flight=lambda: self.backends.in_flight,
            finish=self.backends.drain,
            stop_accepting=lambda: self._listeners[0].stop_accepting(),
            accept_seconds=accept_seconds,
        )

    @property
    def port(self) -> int:
        return self._listeners[0].port

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
        status = Status(runtime=self.runtime, reports=self.backends.reports)
        self._stack.callback(self.runtime.subscribe(status.wake))
        self._stack.callback(self.backends.subscribe(status.wake))
        self.runtime.metrics.watch(self._figures)
        admin = Admin(runtime=self.runtime, status=status, missing=self._missing)
        await self._listen(make_app(self.runtime, self.backends), self._ports[0])
        if self._ports[1] is not None:
            await self._listen(admin, self._ports[1])

    async def _listen(self, app: Application, port: int) -> None:
        listener = Listener(app, bind(self._host, port), protocol=LimitedProtocol)
        self._stack.push_async_callback(listener.close)
        await listener.start()
        self._listeners.append(listener)

    def _missing(self) -> Iterator[str]:
        """Why this proxy is not ready, in words that tell an anonymous reader nothing."""
        runtime = self.runtime
        if runtime.snapshot is None or runtime.deny_all:
            yield "config"
        elif runtime.snapshot.lacks_keys:
            yield "keys"
        if not all(listener.open for listener in self._listeners):
            yield "ports"
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
        yield gauge("ostiary_draining", "1 while this proxy says goodbye.", runtime.draining)
