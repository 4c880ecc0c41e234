"""Container fields: the mount path's pattern, and what is not in the union."""

import pytest
import re2
from tests.operator.build import STDIO, server_manifest

from ostiary_operator.api import Invalid, parse_server
from ostiary_operator.api.container import MOUNT_PATH_PATTERN


@pytest.mark.parametrize("path", ["/data", "/a/b/", "/.hidden", "/a/...", "/a/..b"])
def test_an_absolute_path_is_taken(path: str) -> None:
    assert re2.fullmatch(MOUNT_PATH_PATTERN, path)


@pytest.mark.parametrize("path", ["", "/", "a", "//a", "/a//b", "/.", "/..", "/a/../b", "/a:b"])
def test_a_path_that_could_lead_elsewhere_is_not(path: str) -> None:
    assert not re2.fullmatch(MOUNT_PATH_PATTERN, path)


@pytest.mark.parametrize("path", ["../x", "/x", "..", ".", "", "./x"])
def test_a_subpath_stays_inside_its_volume(path: str) -> None:
    volume = {"name": "a", "mountPath": "/a", "subPath": path, "emptyDir": {}}

    assert isinstance(parse_server(server_manifest(STDIO | {"volumes": [volume]})), Invalid)


@pytest.mark.parametrize("source", ["hostPath", "projected", "csi", "nfs", "ephemeral"])
def test_the_union_of_volumes_is_curated(source: str) -> None:
    volume = {"name": "a", "mountPath": "/a", source: {}}

    parsed = parse_server(server_manifest(STDIO | {"volumes": [volume]}))

    assert isinstance(parsed, Invalid)
    assert f"spec.volumes[0].{source}: no such field" in str(parsed)
