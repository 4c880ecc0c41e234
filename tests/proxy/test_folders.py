"""Changes in a folder are noticed, told by the kernel or found by looking."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.proxy.conditions import PATIENCE
from tests.proxy.volumes import project

from ostiary_proxy.folders import Folders

WAYS = pytest.mark.parametrize(
    "inotify",
    [
        pytest.param(
            True,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
            id="inotify",
        ),
        pytest.param(False, id="polling"),
    ],
)


async def noticed(folders: Folders) -> bool:
    """A long wait ends early."""
    started = asyncio.get_running_loop().time()
    await folders.wait(PATIENCE)
    return asyncio.get_running_loop().time() - started < PATIENCE


@WAYS
async def test_the_kubelets_exchange_of_a_volume_is_noticed(tmp_path: Path, inotify: bool) -> None:
    project(tmp_path, {"config.json": b"1"})

    async with Folders([tmp_path], inotify=inotify) as folders:
        assert folders.told is inotify
        project(tmp_path, {"config.json": b"2"})

        assert await noticed(folders)


@WAYS
async def test_each_of_several_folders_is_watched(tmp_path: Path, inotify: bool) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    project(one, {"a": b"1"})
    project(two, {})

    async with Folders([one, two], inotify=inotify) as folders:
        project(two, {"0": b"k" * 32})

        assert await noticed(folders)


@WAYS
async def test_a_file_written_in_place_and_a_file_removed_are_noticed(
    tmp_path: Path, inotify: bool
) -> None:
    (tmp_path / "config.json").write_bytes(b"1")

    async with Folders([tmp_path], inotify=inotify) as folders:
        (tmp_path / "config.json").write_bytes(b"22")
        assert await noticed(folders)
        (tmp_path / "config.json").unlink()
        assert await noticed(folders)


@WAYS
async def test_a_quiet_folder_ends_the_wait_in_time(tmp_path: Path, inotify: bool) -> None:
    async with Folders([tmp_path], inotify=inotify) as folders:
        assert not await asyncio.wait_for(_quiet(folders), PATIENCE)


async def _quiet(folders: Folders) -> None:
    await folders.wait(0.01)


async def test_where_the_kernel_refuses_the_folders_are_polled(tmp_path: Path) -> None:
    async with Folders([tmp_path / "absent"]) as folders:
        assert not folders.told
        project(tmp_path / "absent", {"a": b"1"})

        assert await noticed(folders)
