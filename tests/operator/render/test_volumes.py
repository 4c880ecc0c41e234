"""Volumes and mounts."""

from typing import Any

import pytest
from tests.operator.build import http, stdio

from ostiary_operator.render.volumes import proxy_mounts, server_mounts, volumes


def mounts(parent: Any) -> dict[str, dict[str, Any]]:
    return {it["mountPath"]: it for it in server_mounts(parent)}


def named(parent: Any) -> dict[str, dict[str, Any]]:
    return {it["name"]: it for it in volumes(parent)}


@pytest.mark.parametrize("parent", [stdio(), http()], ids=["stdio", "http"])
def test_every_server_finds_the_shim_read_only(parent: Any) -> None:
    assert mounts(parent)["/ostiary"] == {
        "name": "ostiary-shim",
        "mountPath": "/ostiary",
        "readOnly": True,
    }


def test_every_mount_has_its_volume() -> None:
    parent = stdio(identity={"kubernetesToken": True})

    used = {it["name"] for it in [*server_mounts(parent), *proxy_mounts(stdio())]}

    assert used == set(named(parent))


def test_the_server_sees_neither_the_keys_nor_the_config() -> None:
    assert {it["name"] for it in server_mounts(stdio())} == {
        "ostiary-shim",
        "ostiary-run",
        "ostiary-home",
        "ostiary-tmp",
    }


def test_each_master_is_a_file_by_its_number_and_may_be_missing() -> None:
    sources = named(stdio())["ostiary-keys"]["projected"]["sources"]

    assert [it["secret"] for it in sources] == [
        {
            "name": f"time-key-{number}",
            "optional": True,
            "items": [{"key": "master", "path": str(number)}],
        }
        for number in range(4)
    ]


def test_empty_folders_of_ours_have_a_size_limit() -> None:
    empty = [it["emptyDir"] for it in volumes(stdio()) if "emptyDir" in it]

    assert len(empty) == 4
    assert all("sizeLimit" in it for it in empty)


@pytest.mark.parametrize("path", ["/tmp", "/tmp/", "/home/mcp"])
def test_a_users_volume_takes_the_place_of_ours(path: str) -> None:
    parent = stdio(volumes=[{"name": "mine", "mountPath": path, "emptyDir": {}}])

    at = [it["name"] for it in server_mounts(parent) if it["mountPath"].rstrip("/") in path]

    assert at == ["mine"]


def test_a_token_is_mounted_in_the_servers_container_alone_and_only_when_asked_for() -> None:
    asked = stdio(identity={"kubernetesToken": True})
    path = "/var/run/secrets/kubernetes.io/serviceaccount"

    assert mounts(asked)[path]["readOnly"] is True
    assert path not in mounts(stdio())
    assert "ostiary-token" not in {it["name"] for it in proxy_mounts(stdio())}


def test_a_users_volume_keeps_its_shape() -> None:
    parent = stdio(
        volumes=[
            {
                "name": "conf",
                "mountPath": "/conf",
                "readOnly": True,
                "subPath": "a",
                "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]},
            },
            {
                "name": "notes",
                "mountPath": "/notes",
                "readOnly": True,
                "persistentVolumeClaim": {"claimName": "n"},
            },
        ]
    )

    assert named(parent)["conf"] == {
        "name": "conf",
        "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]},
    }
    assert mounts(parent)["/conf"] == {
        "name": "conf",
        "mountPath": "/conf",
        "readOnly": True,
        "subPath": "a",
    }
    assert named(parent)["notes"]["persistentVolumeClaim"] == {"claimName": "n", "readOnly": True}


def test_a_certificate_is_mounted_in_the_proxy_alone() -> None:
    server = stdio(tls={"secretName": "time-tls"})
    found = [it for it in volumes(server) if it["name"] == "ostiary-tls"]

    assert [it["secret"]["secretName"] for it in found] == ["time-tls"]
    assert not found[0]["secret"].get("optional"), "its absence is the kubelet's to say"
    assert "/etc/ostiary/tls" in [it["mountPath"] for it in proxy_mounts(server)]
    assert "ostiary-tls" not in [it["name"] for it in server_mounts(server)]
