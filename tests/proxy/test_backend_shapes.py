"""Backends over one connection per session, as the document has them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from ostiary_proxy.config import Backend, SseBackend, WebSocketBackend

READ = TypeAdapter(Backend)


def test_each_kind_is_told_by_its_name_and_has_its_usual_path() -> None:
    assert READ.validate_python({"kind": "sse", "port": 1}) == SseBackend(port=1, path="/sse")
    assert READ.validate_python({"kind": "webSocket", "port": 1}) == WebSocketBackend(
        port=1, path="/ws"
    )


@pytest.mark.parametrize("kind", ["sse", "webSocket"])
@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 70000}, {}, {"port": 1, "outside": {}}])
def test_what_it_is_not_is_refused(kind: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python({"kind": kind, **wrong})
