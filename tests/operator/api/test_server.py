"""MCPServer: what stands when little is said."""

import re2
from tests.operator.build import http, server, stdio

from ostiary_operator.api.object_names import NAME_PATTERN, TAKEN_ENDINGS
from ostiary_operator.render import names


def test_stdio_is_the_default_transport() -> None:
    parsed = stdio()

    assert parsed.spec.http is None
    assert parsed.spec.stdio.maxProcesses is None


def test_an_http_server_is_one_by_its_port() -> None:
    parsed = http()

    assert parsed.spec.http is not None
    assert parsed.spec.http.port == 8000


def test_replicas_are_never_defaulted() -> None:
    assert stdio().spec.replicas is None


def test_the_name_patterns_are_re2() -> None:
    re2.compile(NAME_PATTERN)
    re2.compile(TAKEN_ENDINGS)


def test_every_name_that_ends_like_a_child_is_refused() -> None:
    children = {
        names.pods_service("time"),
        names.account("time"),
        names.config("time"),
        *(names.key("time", number) for number in names.KEY_NUMBERS),
    }

    assert [name for name in children if not re2.search(TAKEN_ENDINGS, name)] == []


def test_the_longest_name_leaves_room_for_every_child() -> None:
    longest = server(name="a" * 54).metadata.name

    assert len(names.pods_service(longest)) <= 63
    assert len(names.key(longest, 3)) <= 63
