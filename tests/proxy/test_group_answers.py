"""What a group says of itself."""

import pytest
from tests.proxy.test_group_service import both

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


async def test_handshakes_tell_of_all_members() -> None:
    """Obligations 14, 39 and 41."""
    async with both() as made:
        for mode in ("legacy", "auto"):
            async with made.client(mode) as client:
                info = client.server_info
                assert info is not None
                assert info.name == "agents/everyday"
                told = client.instructions or ""
                assert "## legacy\n\nTry them all." in told
                assert "## modern\n\nTry them all." in told
                offered = client.server_capabilities
                assert offered.tools is not None
                assert offered.tools.list_changed
                assert offered.resources is not None
                assert offered.resources.subscribe
