"""Edits are noticed, whatever way the editor saves."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary_cli.watchdir import changes, look


def rename_over(path: Path) -> None:
    new = path.with_suffix(".tmp")
    new.write_text("b: 1")
    new.rename(path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda path: path.write_text("something else"),
        rename_over,
        lambda path: path.unlink(),
        lambda path: (path.parent / "b.json").write_text("{}"),
        lambda path: path.rename(path.parent / "c.yml"),
    ],
    ids=["write", "rename over", "delete", "add", "rename"],
)
async def test_every_way_to_save_is_noticed(tmp_path: Path, edit: Callable[[Path], object]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    before = look(tmp_path)

    edit(path)

    async with asyncio.timeout(10):
        seen = await anext(changes(tmp_path, before, interval=0.01))
    assert seen == look(tmp_path) != before


async def test_a_folder_that_goes_away_is_a_change_and_no_crash(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "a.yaml").write_text("a: 1")
    before = look(folder)

    folder.rename(tmp_path / "there")

    async with asyncio.timeout(10):
        assert await anext(changes(folder, before, interval=0.01)) == frozenset()


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    before = look(tmp_path)

    (tmp_path / "a.yaml~").write_text("x")
    (tmp_path / ".a.yaml").write_text("x")
    (tmp_path / "notes.db").write_text("x")

    assert look(tmp_path) == before
