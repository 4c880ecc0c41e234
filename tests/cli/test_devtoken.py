"""Development tokens: signed by the folder's own key, and nobody else's."""

import stat
import time
from pathlib import Path

import pytest

from ostiary_cli.devtoken import KeyUnusable, development_key, namespace_of
from ostiary_proxy.auth import Refusal, Verifier
from ostiary_proxy.config import LOCAL_AUDIENCE
from ostiary_proxy.policy import Caller

PRINCIPAL = "system:serviceaccount:agents:planner"


def test_a_local_proxy_takes_the_token_at_every_endpoint(tmp_path: Path) -> None:
    key = development_key(tmp_path)
    header = b"Bearer " + key.mint(PRINCIPAL, now=int(time.time())).encode()

    caller = Verifier([key.issuer]).verify(header, frozenset({"http://any"}), False)

    assert isinstance(caller, Caller)
    assert (caller.principal, caller.namespace, caller.name) == (PRINCIPAL, "agents", "planner")
    assert key.issuer.audiences == (LOCAL_AUDIENCE,)


def test_a_token_lives_thirty_days(tmp_path: Path) -> None:
    key = development_key(tmp_path)
    header = b"Bearer " + key.mint(PRINCIPAL, now=1_000_000).encode()
    day = 24 * 3600

    def verdict(now: float) -> object:
        return Verifier([key.issuer], clock=lambda: now).verify(header, frozenset(), False)

    assert isinstance(verdict(1_000_000 + 30 * day - 1), Caller)
    assert isinstance(verdict(1_000_000 + 30 * day), Refusal)


def test_the_key_survives_a_restart_and_is_the_folders_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()

    assert development_key(one).issuer == development_key(one).issuer
    assert development_key(one).issuer != development_key(other).issuer
    assert "d" not in development_key(one).issuer.keys[0]


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    development_key(tmp_path)
    state = tmp_path / ".ostiary"
    (state / "key.json").chmod(0o644)
    state.chmod(0o755)

    development_key(tmp_path)

    assert stat.S_IMODE((state / "key.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (state / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in state.iterdir()) == [".gitignore", "key.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"kty": "oct", "k": "AA"}', "[1]"])
def test_a_broken_key_is_said_and_never_replaced(tmp_path: Path, text: str) -> None:
    state = tmp_path / ".ostiary"
    state.mkdir()
    (state / "key.json").write_text(text)

    with pytest.raises(KeyUnusable, match="delete it, and the next start makes a new one"):
        development_key(tmp_path)

    assert (state / "key.json").read_text() == text


def test_a_public_key_alone_is_no_development_key(tmp_path: Path) -> None:
    key = development_key(tmp_path)
    path = tmp_path / ".ostiary" / "key.json"
    import json

    path.write_text(json.dumps(key.key.as_dict(private=False)))

    with pytest.raises(KeyUnusable):
        development_key(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".ostiary").write_text("a file")

    with pytest.raises(KeyUnusable, match="cannot hold the development key"):
        development_key(tmp_path)


@pytest.mark.parametrize(
    ("principal", "namespace"),
    [
        (PRINCIPAL, "agents"),
        ("system:serviceaccount:a:b.c", "a"),
        ("alice", None),
        ("system:serviceaccount:a", None),
        ("system:serviceaccount:A:b", None),
        ("system:serviceaccount:a:b:c", None),
        ("system:serviceaccount::b", None),
    ],
)
def test_only_a_service_account_is_a_principal(principal: str, namespace: str | None) -> None:
    assert namespace_of(principal) == namespace
