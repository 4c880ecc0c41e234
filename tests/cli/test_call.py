"""The commands against a real server, without a door in front of it."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from tests.cli.running import PATIENCE, QUICKSTART, free_port, until

from ostiary_cli.call import show_call, show_tools
from ostiary_cli.endpoint import CallFailed, Endpoint, token_given


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "notes_server", "--port", str(port)],
        cwd=QUICKSTART,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        until(lambda: _answers(url), "the server answers")
        yield Endpoint(url)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        httpx2.get(url)
    except httpx2.TransportError:
        return False
    return True


async def test_tools_are_listed_with_their_arguments(endpoint: Endpoint) -> None:
    out = io.StringIO()

    assert await show_tools(endpoint, as_json=False, out=out) == 0

    assert "write_note title= text=\n    Write a note" in out.getvalue()


async def test_json_is_the_servers_own_words(endpoint: Endpoint) -> None:
    out = io.StringIO()

    await show_tools(endpoint, as_json=True, out=out)

    tools = json.loads(out.getvalue())["tools"]
    assert {"name", "description", "inputSchema"} <= tools[0].keys()


async def test_a_call_prints_its_answer_and_a_failed_one_says_so(endpoint: Endpoint) -> None:
    async def called(name: str, *pairs: str, given: str | None = None) -> tuple[int, str]:
        out = io.StringIO()
        code = await show_call(endpoint, name, list(pairs), given, as_json=False, out=out)
        return code, out.getvalue()

    assert await called("write_note", "title=5", "text=five") == (0, "Written: 5\n")
    assert (await called("search_notes", given='{"word": "FIVE"}'))[0] == 0
    code, text = await called("delete_note", "title=absent")
    assert code == 1
    assert "There is no note called 'absent'" in text


async def test_a_word_that_is_no_argument_is_the_callers_mistake(endpoint: Endpoint) -> None:
    with pytest.raises(CallFailed, match="write key=value") as failed:
        await show_call(endpoint, "list_notes", ["x"], None, as_json=False, out=io.StringIO())

    assert failed.value.code == 2


async def test_nobody_there_is_a_sentence() -> None:
    with pytest.raises(CallFailed, match="cannot be reached"):
        await show_tools(
            Endpoint(f"http://127.0.0.1:{free_port()}/mcp"), as_json=False, out=io.StringIO()
        )


@pytest.mark.parametrize("url", ["", "time", "file:///etc/passwd", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(CallFailed, match="is no endpoint"):
        Endpoint(url)


@pytest.mark.parametrize("token", ["a b", "a\nX-Header: b", "\u00fc"])
def test_a_token_cannot_become_another_header(token: str) -> None:
    with pytest.raises(CallFailed, match="characters that no token has"):
        Endpoint("http://127.0.0.1/mcp", token)


def test_the_option_stands_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_TOKEN", " from-environment\n")

    assert token_given(None) == "from-environment"
    assert token_given("given") == "given"
    assert "given" not in repr(Endpoint("http://x/mcp", "given"))
