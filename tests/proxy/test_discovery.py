"""What the proxy itself says of a server."""

import pytest

from ostiary_proxy.discovery import UNSEEN, carried, discovered, offers, shaken
from ostiary_proxy.era import LEGACY
from ostiary_proxy.observe import Seen

SEEN = Seen(
    legacy=LEGACY,
    about={
        "capabilities": {
            "tools": {"listChanged": True},
            "tasks": {"list": {}},
            "odd": {"x": 1},
            "extensions": {"io.modelcontextprotocol/tasks": {}, "com.example/other": {}},
        },
        "serverInfo": {"name": "s", "version": "1", "title": "S"},
        "instructions": "Be kind.",
    },
)


def test_a_modern_client_learns_who_the_server_is() -> None:
    """Obligation 52."""
    result = discovered(SEEN)

    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert result["instructions"] == "Be kind."
    assert (result["ttlMs"], result["cacheScope"], result["resultType"]) == (
        0,
        "private",
        "complete",
    )
    info = result["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert info == {"name": "s", "version": "1", "title": "S"}


def test_a_server_that_nobody_has_seen_is_not_said_to_lack_anything() -> None:
    """Fact 9."""
    assert discovered(None)["capabilities"] == UNSEEN


def test_tasks_of_either_kind_do_not_cross() -> None:
    assert carried(SEEN.about["capabilities"]) == {
        "tools": {"listChanged": True},
        "odd": {"x": 1},
        "extensions": {"com.example/other": {}},
    }


@pytest.mark.parametrize("requested", [*LEGACY, "2026-07-28", "1999-01-01", 7, None])
def test_a_legacy_client_gets_its_own_revision_or_the_newest(requested: object) -> None:
    """Obligation 18."""
    wanted = requested if requested in LEGACY else "2025-11-25"

    result = shaken(SEEN, requested)

    assert result["protocolVersion"] == wanted
    assert result["serverInfo"]["name"] == "s"


def test_a_server_without_a_name_is_given_one() -> None:
    assert shaken(Seen(), "2025-06-18")["serverInfo"]["name"] == "ostiary"


def test_a_flag_is_offered_only_when_it_is_set() -> None:
    assert offers(SEEN, "tools", "listChanged")
    assert not offers(SEEN, "resources", "subscribe")
    assert not offers(None, "tools", "listChanged")
