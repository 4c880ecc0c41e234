"""`python -m ostiary_operator`: check, wait for the lease, fill the cache, work, watch.

In this order: kopf starts last, because it ends every task that was started after it.  What a
human must mend (a missing CRD, a missing permission, broken settings) is one sentence on stderr
and exit code 1; a lost lease is exit code 2, and the pod starts anew.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from . import metrics as telemetry
from .api import GROUP
from .assemble import Operator
from .audit_heads import AuditHeads
from .cluster import ApiError, Cluster, Missing, Refused, Unreachable, connect
from .credentials import Credentials, NoCredentials, find_credentials
from .lease import Lease, LeaseLost
from .logs import start_logging
from .metrics import Metrics
from .resources import CRDS, ROOTS
from .settings import OperatorEnv, SettingsInvalid, parse_environment
from .watch import watch

AGENT: Final = "ostiary-operator"
LAST_WORDS_SECONDS: Final = 3.0
"""How long keys in hand may take when the process is told to stop."""
ASK_AGAIN_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """What the person who installs the operator must mend."""


def main() -> None:
    code = 0
    try:
        env = parse_environment(os.environ)
        start_logging(env.logLevel)
        asyncio.run(run(env, find_credentials(os.environ)))
    except* (CannotStart, NoCredentials, SettingsInvalid) as group:
        code = _say(group, 1)
    except* LeaseLost as group:
        code = _say(group, 2)
    sys.exit(code)


def _say(group: BaseExceptionGroup[BaseException], code: int) -> int:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    print(f"{AGENT}: {first}", file=sys.stderr, flush=True)
    return code


async def run(env: OperatorEnv, credentials: Credentials) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    metrics = Metrics()
    checked = asyncio.Event()
    async with (
        connect(credentials, AGENT) as cluster,
        _telemetry(metrics, env, checked),
    ):
        await _when_reachable(cluster, stop)
        checked.set()
        async with _leading(cluster, env, stop) as leads:
            if leads:
                metrics.leader.set(1)
                operator = Operator(cluster=cluster, env=env, metrics=metrics)
                await _fill(operator, cluster)
                await _work(operator, credentials, stop)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


@asynccontextmanager
async def _telemetry(
    metrics: Metrics, env: OperatorEnv, checked: asyncio.Event
) -> AsyncIterator[None]:
    """A replica in waiting is ready too, or a rollout would never end."""
    try:
        async with telemetry.serve(metrics, port=env.metricsPort, ready=checked.is_set):
            yield
    except OSError as err:
        raise CannotStart(f"port {env.metricsPort} for metrics cannot be had: {err}") from err


async def _when_reachable(cluster: Cluster, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            return await check(cluster)
        except Unreachable as err:
            log.warning("waiting for the API server", extra={"reason": err.message})
            await asyncio.sleep(ASK_AGAIN_SECONDS)


async def check(cluster: Cluster) -> None:
    """Say what is missing before anything waits for it in silence."""
    for resource in ROOTS:
        name = f"{resource.plural}.{GROUP}"
        try:
            await cluster.get(CRDS, "", name)
        except Missing as err:
            raise CannotStart(
                f"the CRD {name} is not installed: install the chart ostiary-crds first"
            ) from err
        except Refused as err:
            raise CannotStart(f"a permission is missing: {err.message}") from err


@asynccontextmanager
async def _leading(cluster: Cluster, env: OperatorEnv, stop: asyncio.Event) -> AsyncIterator[bool]:
    """Holds the lease inside; False where the process was stopped while it waited."""
    lease = Lease(
        cluster=cluster,
        namespace=env.namespace,
        name=env.leaseName,
        identity=f"{env.podName or AGENT}-{os.getpid()}",
        clock=time.monotonic,
        duration=env.leaseSeconds,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(lease.acquire())
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            stopping.cancel()
        if stop.is_set():
            yield False
            return
        async with asyncio.TaskGroup() as tasks:
            holding = tasks.create_task(lease.hold())
            yield True
            holding.cancel()
    finally:
        await lease.release()


async def _fill(operator: Operator, cluster: Cluster) -> None:
    try:
        await operator.settings.load(cluster)
        await operator.trust.start()
        await operator.vouching.look()
        await operator.gateway_api.look()
        await operator.controller.fill()
    except Refused as err:
        raise CannotStart(f"a permission is missing: {err.message}") from err
    except ApiError as err:
        raise CannotStart(f"the first look at the cluster failed: {err.message}") from err


async def _work(operator: Operator, credentials: Credentials, stop: asyncio.Event) -> None:
    unwatch = asyncio.Event()

    async def wind_down() -> None:
        await stop.wait()
        operator.queue.close()
        await asyncio.wait((working,), timeout=LAST_WORDS_SECONDS)
        operator.reports.close()
        fetching.cancel()
        vouching.cancel()
        routing.cancel()
        telling.cancel()
        unwatch.set()

    async with operator.reports, asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(operator.trust.run())
        vouching = tasks.create_task(operator.vouching.run())
        routing = tasks.create_task(operator.gateway_api.run())
        telling = tasks.create_task(AuditHeads(operator.reports.all).run())
        working = tasks.create_task(operator.controller.work())
        winding = tasks.create_task(wind_down())
        await operator.controller.working.wait()
        await watch(
            operator.controller,
            credentials,
            stop=unwatch,
            started=lambda: _stop_on_signals(stop),
        )
        for task in (fetching, vouching, routing, telling, working, winding):
            task.cancel()


if __name__ == "__main__":
    main()
