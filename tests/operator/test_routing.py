from typing import Any

from tests.operator.build import accounts, policy_manifest, rule, server_manifest

from ostiary_operator.cache import Cache
from ostiary_operator.controller import Key
from ostiary_operator.models import Models
from ostiary_operator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    POLICIES,
    SERVERS,
    Manifest,
    Resource,
)
from ostiary_operator.routing import Router

SETTINGS = ("ostiary-system", "ostiary-settings")
TIME = Key(SERVERS, "tools", "time")
NOTES = Key(SERVERS, "tools", "notes")
CALLERS = Key(POLICIES, "tools", "callers")


class Routed:
    """A cache and the router over it, fed as the controller feeds them."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.router = Router(cache=self.cache, models=Models(self.cache), settings=SETTINGS)
        self._version = 0

    def see(self, resource: Resource, manifest: Manifest, **metadata: Any) -> set[Key]:
        self._version += 1
        version = {"resourceVersion": str(self._version)}
        seen = {**manifest, "metadata": {**manifest["metadata"], **version, **metadata}}
        change = self.cache.see(resource, seen)
        assert change is not None
        return self.router.route(change)

    def lose(self, resource: Resource, manifest: Manifest) -> set[Key]:
        change = self.cache.lose(resource, manifest)
        assert change is not None
        return self.router.route(change)


def furnished() -> Routed:
    routed = Routed()
    routed.see(SERVERS, server_manifest(name="time", uid="time"))
    routed.see(SERVERS, server_manifest(name="notes", uid="notes"))
    routed.see(POLICIES, policy_manifest(rule()))
    return routed


def child(kind: str, name: str, namespace: str = "tools", **labels: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}", "labels": labels}
    return {"kind": kind, "metadata": metadata}


def namespace(name: str, **labels: str) -> Manifest:
    return {"kind": "Namespace", "metadata": {"name": name, "uid": f"ns-{name}", "labels": labels}}


def test_a_new_server_concerns_itself_and_the_policies_of_its_namespace() -> None:
    routed = furnished()

    keys = routed.see(SERVERS, server_manifest(name="new", uid="new"))

    assert keys == {Key(SERVERS, "tools", "new"), CALLERS}


def test_our_own_status_patch_concerns_no_policy() -> None:
    routed = furnished()
    patched = server_manifest(name="time", uid="time") | {"status": {"conditions": []}}

    assert routed.see(SERVERS, patched) == {TIME}


def test_a_policy_concerns_the_servers_it_speaks_of() -> None:
    routed = furnished()

    assert routed.see(POLICIES, policy_manifest(rule(), deny=[]), generation=2) == {CALLERS, TIME}


def test_a_policy_that_turns_to_another_server_concerns_both() -> None:
    routed = furnished()

    keys = routed.see(POLICIES, policy_manifest(rule(), target="notes"), generation=2)

    assert keys == {CALLERS, TIME, NOTES}


def test_a_policy_whose_spec_stayed_concerns_no_server() -> None:
    routed = furnished()

    assert routed.see(POLICIES, policy_manifest(rule())) == {CALLERS}


def test_a_deleted_policy_concerns_the_servers_it_spoke_of() -> None:
    routed = furnished()

    assert routed.lose(POLICIES, policy_manifest(rule())) == {CALLERS, TIME}


def test_new_labels_of_a_namespace_concern_only_policies_that_select_by_them() -> None:
    routed = furnished()
    assert routed.see(NAMESPACES, namespace("agents", team="a")) == set()
    chosen = rule(accounts("*", selector={"matchLabels": {"team": "b"}}))
    routed.see(POLICIES, policy_manifest(chosen), generation=2)

    assert routed.see(NAMESPACES, namespace("agents", team="b")) == {CALLERS, TIME}
    assert routed.see(NAMESPACES, namespace("agents", team="b")) == set()


def test_a_namespace_that_begins_to_end_concerns_its_servers() -> None:
    routed = furnished()
    routed.see(NAMESPACES, namespace("tools"))

    keys = routed.see(NAMESPACES, namespace("tools"), deletionTimestamp="2026-07-01T12:00:00Z")

    assert keys == {TIME, NOTES}


def test_the_settings_concern_every_server_and_another_config_map_none() -> None:
    routed = furnished()
    routed.see(SERVERS, server_manifest(name="far", uid="far", namespace="other"))
    place, name = SETTINGS

    settings = routed.see(CONFIG_MAPS, child("ConfigMap", name, place))
    other = routed.see(CONFIG_MAPS, child("ConfigMap", "else", place))

    assert settings == {TIME, NOTES, Key(SERVERS, "other", "far")}
    assert other == set()


def test_somebody_elses_network_policy_concerns_every_server_of_its_namespace() -> None:
    routed = furnished()

    foreign = routed.see(NETWORK_POLICIES, child("NetworkPolicy", "open"))
    ours = child("NetworkPolicy", "time", **{"ostiary.dev/server": "time"})

    assert foreign == {TIME, NOTES}
    assert routed.see(NETWORK_POLICIES, ours) == {TIME}


def test_a_child_concerns_the_server_on_its_label() -> None:
    routed = furnished()
    pod = child("Pod", "time-1", **{"ostiary.dev/server": "time"})

    assert routed.see(PODS, pod) == {TIME}
    assert routed.lose(PODS, pod) == {TIME}


def test_a_child_whose_label_was_changed_concerns_the_server_before_and_after() -> None:
    routed = furnished()
    routed.see(DEPLOYMENTS, child("Deployment", "time", **{"ostiary.dev/server": "time"}))

    changed = routed.see(
        DEPLOYMENTS, child("Deployment", "time", **{"ostiary.dev/server": "notes"})
    )
    taken_off = routed.see(DEPLOYMENTS, child("Deployment", "time"))

    assert changed == {TIME, NOTES}
    assert taken_off == {NOTES}
