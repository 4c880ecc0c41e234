"""Legacy sessions of a stdio server."""

from tests.proxy.rig import stdio_rig
from tests.proxy.test_session import two_users


async def test_a_session_over_stdio_belongs_to_who_began_it() -> None:
    async with stdio_rig() as rig:
        statuses, _ = await two_users(rig)

    assert statuses == [404, 404, 404, 404, 404, 200, 204, 404]
