"""Words for whoever never came as far as a request."""

import orjson
import pytest

from ostiary_proxy import early
from ostiary_proxy.message import Rejection

ALL = [it for it in vars(early).values() if isinstance(it, Rejection)]


@pytest.mark.parametrize("rejection", ALL, ids=lambda it: it.message)
def test_every_early_refusal_is_whole_http_and_json_rpc(rejection: Rejection) -> None:
    """Obligation 8."""
    head, _, body = early.response(rejection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % rejection.status)
    assert b"connection: close" in head
    assert b"content-length: %d" % len(body) in head
    error = orjson.loads(body)
    assert (error["id"], error["error"]["code"]) == (None, rejection.code)
