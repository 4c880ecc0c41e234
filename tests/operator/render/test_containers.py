"""The three containers of a pod."""

from typing import Any

import pytest
from tests.operator.build import SETTINGS, http, stdio

from ostiary_operator.render.containers import (
    proxy_container,
    security_context,
    server_container,
    shim_installer,
)
from ostiary_operator.settings import ClusterSettings

SHIM = ["/ostiary/shim", "--socket", "/run/ostiary/stdio.sock", "--max-children", "272", "--"]


def test_a_stdio_server_is_started_by_the_shim_word_for_word() -> None:
    container = server_container(stdio(command=["a b", "; rm"], args=["$(X)"]))

    assert container["command"] == [*SHIM, "a b", "; rm", "$(X)"]
    assert "args" not in container


def test_an_http_server_starts_as_its_image_says() -> None:
    container = server_container(http())

    assert "command" not in container
    assert "args" not in container


def test_an_http_server_starts_as_the_user_says() -> None:
    container = server_container(http(command=["serve"], args=["--port", "8000"]))

    assert (container["command"], container["args"]) == (["serve"], ["--port", "8000"])


@pytest.mark.parametrize("server", [stdio(), http()], ids=["stdio", "http"])
def test_every_server_drains_the_proxy_before_it_is_told_to_stop(server: Any) -> None:
    hook = server_container(server)["lifecycle"]["preStop"]

    assert hook == {
        "exec": {"command": ["/ostiary/shim", "drain", "--socket", "/run/ostiary/drain.sock"]}
    }


def test_the_proxy_is_a_native_sidecar_that_never_waits_for_the_server_to_start() -> None:
    proxy = proxy_container(stdio(), SETTINGS)

    assert proxy["restartPolicy"] == "Always"
    assert proxy["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert proxy["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert proxy["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert [port["containerPort"] for port in proxy["ports"]] == [8080, 9464]
    assert {variable["name"] for variable in proxy["env"]} == {"POD_NAME", "POD_UID", "POD_IP"}


def test_containers_of_ours_have_requests_and_limits() -> None:
    for container in (shim_installer(SETTINGS), proxy_container(stdio(), SETTINGS)):
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]


def test_the_settings_choose_the_proxys_image_and_pull_policy() -> None:
    settings = ClusterSettings(proxyImage="mine:2", proxyImagePullPolicy="Never")

    for container in (shim_installer(settings), proxy_container(stdio(), settings)):
        assert (container["image"], container["imagePullPolicy"]) == ("mine:2", "Never")


def test_the_shim_is_installed_from_the_proxys_image() -> None:
    assert shim_installer(SETTINGS)["command"] == ["/opt/ostiary/shim", "install", "/ostiary/shim"]


@pytest.mark.parametrize(
    "security",
    [{}, {"runAsUser": 1000}, {"readOnlyRootFilesystem": False}],
    ids=str,
)
def test_the_restricted_standard_holds_whatever_is_set(security: dict[str, Any]) -> None:
    context = server_container(stdio(security=security))["securityContext"]

    assert context == security_context(
        security.get("runAsUser", 65532),
        read_only_root=security.get("readOnlyRootFilesystem", True),
    )
    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_proxy_and_the_server_are_different_users_of_one_group() -> None:
    proxy = proxy_container(stdio(), SETTINGS)["securityContext"]
    server = server_container(stdio())["securityContext"]

    assert (proxy["runAsUser"], server["runAsUser"]) == (64000, 65532)
    assert proxy["runAsGroup"] == server["runAsGroup"] == 65532


def test_home_is_set_unless_the_user_sets_it() -> None:
    ours = server_container(stdio(env=[{"name": "A", "value": "1"}]))
    theirs = server_container(stdio(env=[{"name": "HOME", "value": "/data"}]))

    assert ours["env"] == [{"name": "HOME", "value": "/home/mcp"}, {"name": "A", "value": "1"}]
    assert theirs["env"] == [{"name": "HOME", "value": "/data"}]


def test_references_to_secrets_are_passed_on_and_never_resolved() -> None:
    reference = {"secretKeyRef": {"name": "db", "key": "password", "optional": True}}
    container = server_container(
        stdio(env=[{"name": "P", "valueFrom": reference}], envFrom=[{"secretRef": {"name": "all"}}])
    )

    assert container["env"][1] == {"name": "P", "valueFrom": reference}
    assert container["envFrom"] == [{"secretRef": {"name": "all"}}]
