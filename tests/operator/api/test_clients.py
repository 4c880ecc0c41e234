"""Extra ways in: origins as browsers write them, on the same pattern that the API server has."""

import pytest
import re2
from pydantic import ValidationError

from ostiary_operator.api.clients import ORIGIN_PATTERN, Clients


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "http://[::1]:8080",
        "https://xn--bcher-kva.example",
        "vscode-webview://0a1b2c",
        "https://app.example.com:80",
    ],
)
def test_an_origin_is_taken(origin: str) -> None:
    assert re2.search(ORIGIN_PATTERN, origin)
    assert Clients(allowedOrigins=(origin,)).allowedOrigins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "https://",
        "https://*",
        "https://app.example.com/",
        "https://app.example.com.",
        "https://app.example.com:",
        "https://app.example.com:0",
        "https://App.example.com",
        "https://user@app.example.com",
        "https://a b",
        "https://bücher.example",
        "https://app.example.com\n",
    ],
)
def test_what_no_browser_writes_is_refused(origin: str) -> None:
    assert not re2.search(ORIGIN_PATTERN, origin)
    with pytest.raises(ValidationError):
        Clients(allowedOrigins=(origin,))


@pytest.mark.parametrize("origin", ["https://a.example:443", "http://a.example:80"])
def test_the_usual_port_is_left_out(origin: str) -> None:
    with pytest.raises(ValidationError, match="rules violated"):
        Clients(allowedOrigins=(origin,))
