"""What a peer is told that never came as far as a request: its words, and its bytes.  Pure."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ostiary_proxy.message import INTERNAL_ERROR, INVALID_REQUEST, Rejection

HEADERS: Final = 64
HEAD_BYTES: Final = 16 * 1024


def bad(why: str) -> Rejection:
    return Rejection(400, INVALID_REQUEST, why, reason="BadHTTP")


NOT_HTTP: Final = bad("The request is not well-formed HTTP/1.1.")
TOO_MANY: Final = Rejection(
    431, INVALID_REQUEST, f"More than {HEADERS} headers.", reason="HeadTooLarge"
)
TOO_LONG: Final = Rejection(
    431, INVALID_REQUEST, f"The head is longer than {HEAD_BYTES} bytes.", reason="HeadTooLarge"
)
ENCODED: Final = Rejection(
    415, INVALID_REQUEST, "Content-Encoding is not taken here.", reason="BadMediaType"
)
UPGRADE: Final = Rejection(
    426,
    INVALID_REQUEST,
    "WebSocket is not offered here.",
    headers=((b"upgrade", b"HTTP/1.1"),),
    reason="Upgrade",
)
SLOW_HEAD: Final = Rejection(408, INVALID_REQUEST, "The head took too long.", reason="TooSlow")
SLOW_BODY: Final = Rejection(408, INVALID_REQUEST, "The body took too long.", reason="TooSlow")
FULL: Final = Rejection(
    503,
    INTERNAL_ERROR,
    "Too many connections.",
    headers=((b"retry-after", b"1"),),
    reason="Busy",
)


def response(rejection: Rejection) -> bytes:
    body = rejection.body()
    lines = [
        STATUS_LINE[rejection.status],
        b"content-type: application/json\r\nconnection: close\r\n",
        b"content-length: %d\r\n" % len(body),
    ]
    lines += [b"%b: %b\r\n" % header for header in rejection.headers]
    return b"".join((*lines, b"\r\n", body))
