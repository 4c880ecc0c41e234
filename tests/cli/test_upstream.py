"""Credentials of remotes on a laptop: from manifests of the folder to files of one's own."""

import stat
from pathlib import Path

from tests.operator.build import REMOTE, server

from ostiary_cli.environment import Missing
from ostiary_cli.folder_data import Data
from ostiary_cli.manifests import Manifests
from ostiary_cli.upstream import files_of, remove_files, write_files

BUNDLE = {"caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}}}
SERVER = server(REMOTE | {"upstream": {**REMOTE["upstream"], **BUNDLE}})


def manifests(**secret: str) -> Manifests:
    return Manifests(
        secrets={"tools/saas": Data(secret)}, config_maps={"tools/ca": Data({"ca.crt": "PEM"})}
    )


def test_a_header_and_a_bundle_become_files(tmp_path: Path) -> None:
    found = files_of(SERVER, manifests(token="Bearer abc"), tmp_path)

    assert found == {
        tmp_path / "header-authorization": "Bearer abc",
        tmp_path / "ca.crt": "PEM",
    }


def test_what_the_folder_lacks_is_named_with_its_field(tmp_path: Path) -> None:
    secret = files_of(SERVER, Manifests(), tmp_path)
    key = files_of(SERVER, manifests(other="canary"), tmp_path)

    assert isinstance(secret, Missing)
    assert secret.path == "spec.upstream.headers[0].secretKeyRef"
    assert "Secret tools/saas is not in this folder" in secret.message
    assert isinstance(key, Missing)
    assert "has no key token; its keys: other" in key.message
    assert "canary" not in key.message


def test_files_are_for_their_owner_alone_and_go_when_they_are_wanted_no_more(
    tmp_path: Path,
) -> None:
    root = tmp_path / "upstream"
    first, second = root / "tools" / "a", root / "tools" / "b"

    write_files({}, {first: "one", second: "two"})
    write_files({first: "one", second: "two"}, {first: "three"})

    assert first.read_text() == "three"
    assert not second.exists()
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    remove_files(root)
    assert not root.exists()
