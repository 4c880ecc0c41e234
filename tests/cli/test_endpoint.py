"""Endpoints by URL and by name, and what their refusals mean."""

import pytest

from ostiary_cli.endpoint import CallFailed, Endpoint, local_url, refused


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("time", "http://127.0.0.1:99/default/time/mcp"),
        ("tools/time", "http://127.0.0.1:99/tools/time/mcp"),
        ("agents/everyday-group", "http://127.0.0.1:99/agents/everyday-group/mcp"),
        (
            "agents/everyday-group/servers/clock",
            "http://127.0.0.1:99/agents/everyday-group/servers/clock/mcp",
        ),
        ("https://mcp.example.com/time", "https://mcp.example.com/time"),
    ],
)
def test_a_server_is_found_by_name_or_url(named: str, url: str) -> None:
    assert local_url(named, 99) == url


@pytest.mark.parametrize("named", ["", "a/b/c", "Time", "../x", "time?x", "-x"])
def test_what_names_nothing_is_refused(named: str) -> None:
    with pytest.raises(CallFailed, match="neither a URL nor the name"):
        local_url(named, 99)


@pytest.mark.parametrize(
    ("status", "token", "words"),
    [
        (401, "", "wants a token: give --token"),
        (401, "t", "the token is not taken at"),
        (403, "t", "403: why"),
        (404, "t", "404 at http://h/: why"),
        (503, "t", "503: why: try again"),
        (400, "t", "why"),
    ],
)
def test_a_refusal_is_a_sentence(status: int, token: str, words: str) -> None:
    assert words in refused(Endpoint("http://h/", token), status, "why")


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(Endpoint("http://h/", "secret"))
