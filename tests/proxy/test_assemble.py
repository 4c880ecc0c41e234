"""From a document to a snapshot: what an endpoint takes, and which keys it holds."""

from pathlib import Path

from tests.proxy.documents import document, server, session_key

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.config import SessionKey
from ostiary_proxy.policy import Allow, Caller, Target, decide
from ostiary_proxy.seal import Sealer


def assembler(keys_dir: Path | None = None) -> Assembler:
    return Assembler(keys_dir=keys_dir, now=lambda: 1_800_000_000.0, on_unknown_kid=lambda: None)


def test_an_endpoint_takes_its_own_hosts_and_loopback() -> None:
    snapshot = assembler().build(
        document(servers=(server(hosts=("Time.Tools.svc", "time")),)), "sha256:x"
    )

    endpoint = snapshot.endpoints["/mcp"]
    assert endpoint.hosts == {"time.tools.svc", "time", "localhost", "127.0.0.1", "[::1]"}
    assert endpoint.audiences == {"http://time.tools.svc/mcp"}
    assert (snapshot.generation, snapshot.digest) == (1, "sha256:x")


def test_a_sidecar_holds_the_keys_whose_hash_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"o" * 32)
    (tmp_path / "1").write_bytes(b"tampered" * 4)
    keys = (session_key(1, b"n" * 32), session_key(0, b"o" * 32))

    snapshot = assembler(tmp_path).build(document(servers=(server(keys=keys),)), "")

    assert snapshot.keys == (0,)
    assert not snapshot.lacks_keys


def test_keys_that_are_not_there_yet_are_missed(tmp_path: Path) -> None:
    keys = (session_key(0, b"o" * 32),)

    snapshot = assembler(tmp_path).build(document(servers=(server(keys=keys),)), "")

    assert snapshot.keys == ()
    assert snapshot.lacks_keys


def test_a_master_that_some_pod_may_lack_opens_and_does_not_seal(tmp_path: Path) -> None:
    old, new = b"o" * 32, b"n" * 32
    (tmp_path / "0").write_bytes(old)
    (tmp_path / "1").write_bytes(new)
    only = session_key(1, new).model_copy(update={"seals": False})

    waiting = sealer_of(tmp_path, only, session_key(0, old))
    turned = sealer_of(tmp_path, session_key(1, new), session_key(0, old))
    alone = sealer_of(tmp_path, only)

    assert [one.numbers for one in (waiting, turned, alone)] == [(0, 1), (1, 0), (1,)]
    token = turned.seal(b"s", b"", b"x")
    assert waiting.unseal(b"s", b"", token) == alone.unseal(b"s", b"", token) == b"x"
    assert alone.unseal(b"s", b"", waiting.seal(b"s", b"", b"x")) is None


def sealer_of(folder: Path, *keys: SessionKey) -> Sealer:
    snapshot = assembler(folder).build(document(servers=(server(keys=keys),)), "")
    return snapshot.endpoints["/mcp"].sealer


def test_the_local_role_seals_with_a_key_of_its_own_across_configs() -> None:
    local = assembler()
    config = document(role="local", issuers=())

    before = local.build(config, "").endpoints["/mcp"].sealer
    after = local.build(config, "").endpoints["/mcp"].sealer

    assert after.unseal(b"s", b"", before.seal(b"s", b"", b"x")) == b"x"
    assert (
        assembler()
        .build(config, "")
        .endpoints["/mcp"]
        .sealer.unseal(b"s", b"", before.seal(b"s", b"", b"x"))
        is None
    )


def test_a_closed_snapshot_keeps_its_endpoints_and_admits_nobody() -> None:
    snapshot = assembler().build(document(), "sha256:x")
    caller = Caller.service_account("agents", "planner")

    closed = snapshot.denying_all()

    for before, after in zip(snapshot.endpoints.values(), closed.endpoints.values(), strict=True):
        assert isinstance(decide(Target("list"), caller, before.rules), Allow)
        assert not isinstance(decide(Target("list"), caller, after.rules), Allow)
        assert before.backend_key == after.backend_key
    assert closed.config is snapshot.config
    assert closed.verifier is snapshot.verifier
