"""`ostiary up DIR`: the servers of a folder behind one proxy on this machine, until a signal.

Puts the pieces together; what runs is `local`'s, what an edit does is `inforce`'s, what is printed
is `output`'s.  All news go to stderr; stdout holds the table, or the one line.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_proxy.config import GroupBackend, HttpBackend, Server, ServerReport
from ostiary_proxy.serve import Proxy

from . import output
from .advice import missing_targets, not_admitted, tools_to_approve
from .devtoken import development_key, namespace_of
from .endpoint import CallFailed, Endpoint
from .inforce import Applied, InForce, Kept
from .local import HOST, Place, key_of, names_of, report_key
from .logins import follow_logins
from .manifests import Manifests, read_folder
from .output import Token
from .programs import search_path, what_to_install
from .terminal import say, tell
from .trail.here import Refusals, open_trail, trail_of
from .watchdir import changes, look

FIRST_LOOK_SECONDS: Final = 30
"""A server that has not answered by then is shown as it is, and may come later."""
SCRIPT_SECONDS: Final = 300
"""A script reads one line, and means to call at once: a slow server is waited for."""
ENDED: Final = 0
REFUSED: Final = 2
IMPOSSIBLE: Final = 3
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    folder: Path
    port: int
    principals: tuple[str, ...]
    as_json: bool
    sample: tuple[str, ...] = ()
    """SERVER TOOL key=value...: one call once all is there."""


async def up(options: Options) -> int:
    stop = _signalled()
    manifests = await asyncio.to_thread(read_folder, options.folder)
    if manifests.problems:
        tell(*(str(problem) for problem in manifests.problems))
        return REFUSED
    key = await asyncio.to_thread(development_key, options.folder)
    now = int(time.time())
    tokens = [Token(name, key.mint(name, now=now)) for name in options.principals]
    try:
        trail = open_trail(options.folder)
    except OSError as err:
        tell(f"{trail_of(options.folder)}: the audit cannot be written: {err.strerror}.")
        return IMPOSSIBLE
    proxy = Proxy(
        role="local",
        audit_stream=trail,
        host=HOST,
        port=options.port,
        accept_seconds=0,
    )
    proxy.runtime.audit.on_refusal = Refusals(options.folder, tell)
    try:
        await proxy.__aenter__()
    except OSError as err:
        tell(_no_port(options, err))
        return IMPOSSIBLE
    try:
        place = Place(options.folder.resolve(), proxy.port, search_path(os.environ))
        callers = [namespace_of(name) or "" for name in options.principals]
        state = InForce(proxy=proxy, issuer=key.issuer, place=place, callers=callers)
        try:
            return await _serve(options, _Room(proxy, state, place), manifests, tokens, stop)
        finally:
            await state.close()
    finally:
        await proxy.__aexit__(None, None, None)
        trail.close()


@dataclass(frozen=True, slots=True)
class _Room:
    proxy: Proxy
    state: InForce
    place: Place

    def reports(self) -> dict[str, ServerReport]:
        return {report_key(it): it for it in self.proxy.reports()}


async def _serve(
    options: Options, room: _Room, manifests: Manifests, tokens: list[Token], stop: asyncio.Event
) -> int:
    before = await asyncio.to_thread(look, options.folder)
    tell(*manifests.notes, *missing_targets(manifests))
    news = asyncio.Event()
    room.proxy.backends.subscribe(news.set)
    applied = await room.state.take(manifests)
    if isinstance(applied, Kept):
        tell(*applied.problems)
        return REFUSED
    tell(*applied.notes, *(str(refusal) for refusal in applied.refusals))
    if not room.state.servers:
        tell("No server is left that can run here.")
        return REFUSED
    _tell_programs(room, applied)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_follow_folder(options, before, room)),
            group.create_task(_show(options, room, tokens, news)),
            group.create_task(follow_logins(room.state, room.proxy.runtime, tell)),
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
    return ENDED


async def _show(options: Options, room: _Room, tokens: list[Token], news: asyncio.Event) -> None:
    """Once every server answered, or had its time: what is there; then whatever changes."""
    try:
        async with asyncio.timeout(SCRIPT_SECONDS if options.as_json else FIRST_LOOK_SECONDS):
            while any(_may_yet_answer(it) for it in _of(room) if it not in _uncalled(room)):
                news.clear()
                await news.wait()
    except TimeoutError:
        _LOG.debug("shown before every server answered")
    reports = room.reports()
    servers = room.state.servers
    if options.as_json:
        say(output.ready_line(servers, tokens))
    else:
        say(output.table(servers, reports), "", output.RIGHTS, "")
        say(*output.how_to_use(servers, tokens))
    states = {key: output.state_of(report) for key, report in reports.items()}
    warned = dict(_warnings(room))
    tell(*warned.values())
    quiet = _uncalled(room)
    tell(*(output.sentence(it) for it in _of(room) if it.state != "Ready" and it not in quiet))
    tell(*not_admitted(servers, options.principals))
    if options.sample:
        await _call(options, servers, tokens[0])
    await _follow_servers(room, states, warned, news)


def _may_yet_answer(report: ServerReport) -> bool:
    """A server that does not listen yet is most likely on its way."""
    waited = any(it.state == "Waiting" for it in report.members)
    return (
        waited or report.state == "Starting" or report.reason in ("ConnectionRefused", "NoAnswer")
    )


def _uncalled(room: _Room) -> list[ServerReport]:
    """Remotes that nobody called yet: they are asked nothing before, so there is nothing to say."""
    remotes = {
        key_of(it)
        for it in room.state.servers
        if isinstance(it.backend, HttpBackend)
        and it.backend.outside is not None
        and it.backend.outside.source == "remote"
    }
    return [it for it in _of(room) if it.state == "Starting" and report_key(it) in remotes]


def _of(room: _Room) -> list[ServerReport]:
    """What is known of each server, also of one that nobody has looked at yet."""
    reports = room.reports()
    return [
        reports.get(key_of(server))
        or ServerReport(
            kind="MCPGroup" if isinstance(server.backend, GroupBackend) else "MCPServer",
            namespace=server.namespace,
            name=server.name,
            state="Starting",
        )
        for server in room.state.servers
    ]


def _warnings(room: _Room) -> Iterator[tuple[str, str]]:
    reports = room.reports()
    for server in room.state.servers:
        said = tools_to_approve(server, reports.get(key_of(server)))
        if said:
            yield key_of(server), said


async def _follow_servers(
    room: _Room, states: dict[str, str], warned: dict[str, str], news: asyncio.Event
) -> None:
    while True:
        news.clear()
        before, warned = warned, dict(_warnings(room))
        tell(*(said for key, said in warned.items() if before.get(key) != said))
        for report in _of(room):
            key = report_key(report)
            if states.get(key) != output.state_of(report):
                states[key] = output.state_of(report)
                tell(output.sentence(report))
        await news.wait()


async def _follow_folder(
    options: Options, before: frozenset[tuple[str, int, int, int]], room: _Room
) -> None:
    kept = False
    async for _ in changes(options.folder, before):
        manifests = await asyncio.to_thread(read_folder, options.folder)
        outcome = await room.state.take(manifests)
        if isinstance(outcome, Kept):
            kept = True
            tell(*outcome.problems, "The folder is not in force: the last good state stays.")
            continue
        tell(*manifests.notes, *outcome.notes, *(str(it) for it in outcome.refusals))
        if outcome.changed:
            tell(f"The folder is in force: change {outcome.generation}, {_sum(outcome, room)}")
            _tell_programs(room, outcome)
            tell(*missing_targets(manifests))
            tell(*not_admitted(room.state.servers, options.principals))
        elif kept:
            tell("The folder is in force again.")
        else:
            tell("The folder changed in nothing that matters here.")
        kept = False


def _sum(outcome: Applied, room: _Room) -> str:
    parts = [f"{len(room.state.servers)} endpoint{'s' * (len(room.state.servers) != 1)}"]
    parts += [f"new: {server.url}" for server in outcome.added]
    parts += [f"gone: {key}" for key in outcome.removed]
    return ", ".join(parts)


def _tell_programs(room: _Room, applied: Applied) -> None:
    for server in applied.added:
        backend = server.backend
        if isinstance(backend, GroupBackend) or not backend.command:
            continue
        advice = what_to_install(
            backend.command[0],
            path=backend.env.get("PATH", ""),
            folder=Path(backend.workingDir),
        )
        if advice:
            tell(f"MCPServer {key_of(server)} cannot start: {advice}.")


async def _call(options: Options, servers: tuple[Server, ...], token: Token) -> None:
    from . import call  # the SDK takes a second to import, which nothing else here needs

    wanted, name, *pairs = options.sample
    server = next((it for it in servers if wanted in names_of(it)), None)
    if server is None:
        tell(f"--call: there is no MCPServer and no MCPGroup {wanted} here.")
        return
    out = sys.stderr if options.as_json else sys.stdout
    print(f"\n$ {output.call_command(server.url, [name, *pairs])}", file=out, flush=True)
    try:
        endpoint = Endpoint(server.url, token.token)
        await call.show_call(endpoint, name, pairs, None, as_json=False, out=out)
    except CallFailed as err:
        tell(str(err))
    out.flush()


def _no_port(options: Options, err: OSError) -> str:
    return (
        f"Port {options.port} of {HOST} cannot be had: {err.strerror}. Another `ostiary up` may be "
        "running: end it, or choose a port with --port (0 for any that is free)."
    )


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop
