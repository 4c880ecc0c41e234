"""The config in force: newest valid wins, broken ones never replace it, age closes it
(security.md row 33)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster
from tests.proxy.conditions import until
from tests.proxy.documents import everyone, raw, server, session_key
from tests.proxy.volumes import project

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.policy import Allow, Caller, Target, decide
from ostiary_proxy.reload import LAST_GOOD_SECONDS, Reloader
from ostiary_proxy.runtime import Runtime

PLANNER = Caller.service_account("agents", "planner")


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    guard = BlockBuster(scanned_modules=["ostiary_proxy"])
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    with (tmp_path / "audit").open("wb") as stream:
        trail = Audit(stream)
        yield trail
        trail.close()


@pytest.fixture
def sidecar(tmp_path: Path, audit: Audit) -> "Sidecar":
    return Sidecar(tmp_path, audit)


class Timer:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Sidecar:
    """A runtime whose files are in a folder."""

    def __init__(self, folder: Path, audit: Audit, **options: Any) -> None:
        self.config_dir, self.keys_dir = folder / "config", folder / "keys"
        for volume in (self.config_dir, self.keys_dir):
            project(volume, {})
        self.runtime = Runtime(audit=audit, metrics=Metrics(), role="sidecar")
        self.timer = Timer()
        self.changes = 0
        self.runtime.subscribe(self._count)
        self.reloader = Reloader(
            runtime=self.runtime,
            assembler=Assembler(
                keys_dir=self.keys_dir,
                now=lambda: 1_800_000_000.0,
                on_unknown_kid=self.runtime.changed,
            ),
            config_dir=self.config_dir,
            keys_dir=self.keys_dir,
            timer=self.timer,
            **options,
        )

    def _count(self) -> None:
        self.changes += 1

    def write(self, content: bytes) -> None:
        project(self.config_dir, {"config.json": content})

    @property
    def generation(self) -> int:
        return self.runtime.snapshot.generation if self.runtime.snapshot else 0

    def allows(self, tool: str) -> bool:
        assert self.runtime.snapshot is not None
        rules = self.runtime.snapshot.endpoints["/mcp"].rules
        return isinstance(decide(Target("tool", tool), PLANNER, rules), Allow)


@asynccontextmanager
async def following(sidecar: Sidecar) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(sidecar.reloader.run())
        yield
        task.cancel()


@pytest.mark.parametrize("inotify", [True, False], ids=["inotify", "polling"])
async def test_a_new_document_is_enforced_as_soon_as_the_volume_changes(
    tmp_path: Path, audit: Audit, inotify: bool
) -> None:
    sidecar = Sidecar(tmp_path, audit, inotify=inotify)
    sidecar.write(raw(1, servers=(server(policies=(everyone("a"),)),)))

    async with following(sidecar):
        await until(lambda: sidecar.generation == 1)
        assert sidecar.allows("a")
        for generation in range(2, 12):
            sidecar.write(raw(generation, servers=(server(policies=(everyone("b"),)),)))
            await until(lambda expected=generation: sidecar.generation == expected)

    assert not sidecar.allows("a")
    assert sidecar.allows("b")


async def test_an_unchanged_file_is_not_put_in_force_again(sidecar: Sidecar) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()
    before = sidecar.runtime.snapshot

    sidecar.write(raw())
    await sidecar.reloader.look()

    assert sidecar.runtime.snapshot is before
    assert sidecar.changes == 1


@pytest.mark.parametrize("broken", [b"", b"{", b'{"format":2}', raw(2)[:-1]])
async def test_a_broken_newer_document_never_replaces_the_one_in_force(
    sidecar: Sidecar, broken: bytes
) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()

    sidecar.write(broken)
    await sidecar.reloader.look()

    assert sidecar.generation == 1
    assert sidecar.allows("a")
    assert sidecar.runtime.config_error.startswith("config.json: ")
    assert sidecar.changes == 2


async def test_a_document_that_vanished_is_as_good_as_broken(sidecar: Sidecar) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()

    project(sidecar.config_dir, {})
    await sidecar.reloader.look()

    assert sidecar.generation == 1
    expected = "config.json: cannot be read (No such file or directory)"
    assert sidecar.runtime.config_error == expected


async def test_after_fifteen_minutes_of_a_broken_document_everybody_is_denied(
    sidecar: Sidecar,
) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()
    sidecar.write(b"{")
    await sidecar.reloader.look()

    sidecar.timer.at += LAST_GOOD_SECONDS - 1
    sidecar.write(b"{{")  # another broken one does not start the time anew
    await sidecar.reloader.look()
    assert sidecar.allows("a")
    sidecar.timer.at += 1
    await sidecar.reloader.look()

    assert not sidecar.allows("a")
    assert sidecar.runtime.deny_all
    assert sidecar.generation == 1


async def test_the_age_is_noticed_without_a_change_of_the_files(sidecar: Sidecar) -> None:
    sidecar.write(raw())

    async with following(sidecar):
        await until(lambda: sidecar.generation == 1)
        sidecar.timer.at += 1
        sidecar.write(b"{")
        await until(lambda: sidecar.runtime.config_error)
        assert sidecar.reloader._patience() <= LAST_GOOD_SECONDS
        sidecar.timer.at += LAST_GOOD_SECONDS - 0.01
        assert sidecar.reloader._patience() <= 0.011
        sidecar.timer.at += 0.01
        sidecar.write(b"[")

        await until(lambda: sidecar.runtime.deny_all)


async def test_a_good_document_opens_a_closed_proxy_also_when_it_is_the_old_one(
    sidecar: Sidecar,
) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()
    sidecar.write(b"{")
    await sidecar.reloader.look()
    sidecar.timer.at += LAST_GOOD_SECONDS
    await sidecar.reloader.look()
    assert not sidecar.allows("a")

    sidecar.write(raw())
    await sidecar.reloader.look()

    assert sidecar.allows("a")
    assert not sidecar.runtime.deny_all
    assert sidecar.runtime.config_error == ""


async def test_a_repaired_document_starts_the_fifteen_minutes_anew(sidecar: Sidecar) -> None:
    for generation in (1, 2):
        sidecar.write(raw(generation))
        await sidecar.reloader.look()
        sidecar.write(b"{")
        await sidecar.reloader.look()
        sidecar.timer.at += LAST_GOOD_SECONDS - 1
        await sidecar.reloader.look()
        assert sidecar.allows("a")


async def test_a_proxy_that_starts_on_a_broken_document_denies_all_until_a_good_one_comes(
    sidecar: Sidecar,
) -> None:
    sidecar.write(b"{")
    await sidecar.reloader.look()

    assert sidecar.runtime.snapshot is None
    assert sidecar.runtime.deny_all
    sidecar.write(raw())
    await sidecar.reloader.look()
    assert sidecar.allows("a")


async def test_an_unchanged_document_never_goes_stale(sidecar: Sidecar) -> None:
    sidecar.write(raw())
    await sidecar.reloader.look()

    sidecar.timer.at += 365 * 86400
    await sidecar.reloader.look()

    assert sidecar.allows("a")


async def test_a_generation_that_goes_back_is_taken_and_told(
    sidecar: Sidecar, caplog: pytest.LogCaptureFixture
) -> None:
    sidecar.write(raw(9))
    await sidecar.reloader.look()

    sidecar.write(raw(3))
    await sidecar.reloader.look()

    assert sidecar.generation == 3
    assert "generation=3 previous=9" in caplog.text


async def test_a_key_that_arrives_later_is_used_at_once(sidecar: Sidecar) -> None:
    master = b"m" * 32
    sidecar.write(raw(servers=(server(keys=(session_key(0, master),)),)))

    async with following(sidecar):
        await until(lambda: sidecar.generation == 1)
        assert sidecar.runtime.snapshot is not None
        assert sidecar.runtime.snapshot.lacks_keys
        project(sidecar.keys_dir, {"0": master})

        await until(lambda: sidecar.runtime.snapshot and not sidecar.runtime.snapshot.lacks_keys)

    assert sidecar.runtime.snapshot.keys == (0,)
    assert sidecar.generation == 1
