"""What is written of a document: only what differs from its default, and enough to read it by."""

from tests.proxy.documents import document, raw, server

from ostiary_proxy.config import HttpBackend, ProxyConfig, StdioBackend, Subject


def test_a_field_at_its_default_is_not_written() -> None:
    """A proxy of the version before would refuse it unread."""
    assert StdioBackend().model_dump() == {"kind": "stdio"}
    assert StdioBackend(maxProcesses=3).model_dump() == {"kind": "stdio", "maxProcesses": 3}


def test_null_and_absent_stay_apart() -> None:
    """Every namespace, and none."""
    everywhere = Subject(kind="serviceAccount", names=("a",), namespaces=None)
    nowhere = Subject(kind="serviceAccount", names=("a",))

    assert everywhere.model_dump()["namespaces"] is None
    assert "namespaces" not in nowhere.model_dump()
    for subject in (everywhere, nowhere):
        assert Subject.model_validate_json(subject.model_dump_json()) == subject


def test_the_format_is_always_written() -> None:
    assert '"format":1' in raw(1).decode()


def test_what_is_left_out_is_read_back() -> None:
    for backend in (StdioBackend(), HttpBackend(port=80)):
        whole = document(servers=(server(backend=backend),))
        assert ProxyConfig.model_validate_json(whole.model_dump_json()) == whole
