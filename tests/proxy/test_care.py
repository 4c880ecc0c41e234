"""What takes care of an endpoint is made by what is behind it."""

import asyncio
import logging

import pytest
from tests.proxy.grouped import GROUP, group_rig, pair

from ostiary_proxy.care import contained
from ostiary_proxy.group_front import GroupFront
from ostiary_proxy.supervisor import Supervised


async def test_a_group_has_one_gateway_and_a_way_for_each_member() -> None:
    async with group_rig(*pair()) as made:
        cares = made.proxy.backends._by_path
        fronts = [one for one in cares.values() if isinstance(one, GroupFront)]
        servers = [one for one in cares.values() if isinstance(one, Supervised)]
        assert len(servers) == 2
        assert sorted(one.endpoint.server.uid for one in fronts) == [
            GROUP,
            f"{GROUP}/clock",
            f"{GROUP}/notes",
        ]
        assert len({id(one._gateway) for one in fronts}) == 1
        assert [one.reported for one in fronts].count(True) == 1
        # The status tells of objects, not of ways into them.
        assert sorted(one.name for one in made.proxy.reports()) == ["clock", "everyday", "notes"]


async def test_trouble_in_one_task_is_logged_and_goes_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks() -> None:
        raise RuntimeError("on purpose")

    with caplog.at_level(logging.ERROR):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(contained(breaks()))
    assert "a task beside the requests failed" in caplog.text
