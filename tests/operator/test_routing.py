from typing import Any

from tests.operator.build import (
    LEGACY,
    SERVICE,
    accounts,
    policy_manifest,
    rule,
    server_manifest,
    token_manifest,
)

from ostiary_operator.cache import Cache
from ostiary_operator.controller import Key
from ostiary_operator.exposures import Exposures
from ostiary_operator.models import Models
from ostiary_operator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    POLICIES,
    SERVERS,
    SERVICES,
    TOKENS,
    Manifest,
    Resource,
)
from ostiary_operator.rolls import Rolls
from ostiary_operator.routing import Router

SETTINGS = ("ostiary-system", "ostiary-settings")
TIME = Key(SERVERS, "tools", "time")
NOTES = Key(SERVERS, "tools", "notes")
CALLERS = Key(POLICIES, "tools", "callers")


class Routed:
    """A cache and the router over it, fed as the controller feeds them."""

    def __init__(self) -> None:
        self.cache = Cache()
        models = Models(self.cache)
        rolls = Rolls(models, self._namespaces)
        self.router = Router(
            cache=self.cache,
            models=models,
            rolls=rolls,
            exposures=Exposures(models, has_routes=lambda: True),
            settings=SETTINGS,
        )
        self._version = 0

    def _namespaces(self) -> dict[str, dict[str, str]]:
        found = (it["metadata"] for it in self.cache.all(NAMESPACES))
        return {it["name"]: it.get("labels", {}) for it in found}

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


def test_a_namespace_that_comes_after_what_is_in_it_concerns_it() -> None:
    assert furnished().see(NAMESPACES, namespace("tools")) == {TIME, NOTES, CALLERS}


def test_a_namespace_that_begins_to_end_concerns_what_is_in_it() -> None:
    routed = furnished()
    routed.see(NAMESPACES, namespace("tools"))

    keys = routed.see(NAMESPACES, namespace("tools"), deletionTimestamp="2026-07-01T12:00:00Z")

    assert keys == {TIME, NOTES, CALLERS}


def test_a_ceiling_concerns_servers_wherever_they_are() -> None:
    routed = furnished()
    routed.see(SERVERS, server_manifest(name="far", uid="far", namespace="other"))
    routed.see(NAMESPACES, namespace("other", team="a"))
    over = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    top = policy_manifest(
        rule(), name="top", namespace="admin", target=None, scope="Cluster", namespaces=over
    )
    far, ceiling = Key(SERVERS, "other", "far"), Key(POLICIES, "admin", "top")

    made = routed.see(POLICIES, top, uid="top")
    relabelled = routed.see(NAMESPACES, namespace("other", team="b"))
    another = routed.see(SERVERS, server_manifest(name="new", uid="new", namespace="other"))

    assert made == {far, ceiling}
    assert relabelled == {far, ceiling}
    assert another == {Key(SERVERS, "other", "new"), ceiling}


def test_the_settings_concern_every_root_and_another_config_map_none() -> None:
    routed = furnished()
    routed.see(SERVERS, server_manifest(name="far", uid="far", namespace="other"))
    place, name = SETTINGS

    settings = routed.see(CONFIG_MAPS, child("ConfigMap", name, place))
    other = routed.see(CONFIG_MAPS, child("ConfigMap", "else", place))

    assert settings == {TIME, NOTES, CALLERS, Key(SERVERS, "other", "far")}
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


def test_a_service_of_somebodys_own_concerns_the_servers_that_stand_before_it() -> None:
    routed = furnished()
    front = server_manifest(SERVICE, name="front", uid="u-front")
    routed.see(SERVERS, front)

    made = routed.see(SERVICES, LEGACY)
    other = routed.see(
        SERVICES, {**LEGACY, "metadata": {**LEGACY["metadata"], "name": "web", "uid": "s-2"}}
    )
    gone = routed.lose(SERVICES, LEGACY)

    assert made == gone == {Key(SERVERS, "tools", "front")}
    assert other == set()


CI = Key(TOKENS, "tools", "ci")


def test_a_token_concerns_the_servers_it_is_restricted_to() -> None:
    routed = furnished()

    assert routed.see(TOKENS, token_manifest()) == {CI, TIME}
    every = token_manifest("all", restrict=("tools/*", "shop/*"), sha256="b" * 64)
    assert routed.see(TOKENS, every) == {Key(TOKENS, "tools", "all"), TIME, NOTES}
    absent = token_manifest("no", restrict=("tools/none",), sha256="c" * 64)
    assert routed.see(TOKENS, absent) == {Key(TOKENS, "tools", "no")}


def test_our_own_status_of_a_token_concerns_nobody_else() -> None:
    routed = furnished()
    routed.see(TOKENS, token_manifest())

    assert routed.see(TOKENS, token_manifest() | {"status": {"opens": 1}}) == {CI}


def test_a_token_that_goes_concerns_its_servers_and_whoever_has_the_same_hash() -> None:
    routed = furnished()
    routed.see(TOKENS, token_manifest())
    routed.see(TOKENS, token_manifest("twin", restrict=("tools/notes",)))

    keys = routed.lose(TOKENS, token_manifest())

    assert keys == {CI, Key(TOKENS, "tools", "twin"), TIME, NOTES}


def test_a_token_that_is_being_deleted_is_as_good_as_gone() -> None:
    routed = furnished()
    routed.see(TOKENS, token_manifest())

    leaving = token_manifest(deletionTimestamp="2029-06-02T00:00:00Z")

    assert TIME in routed.see(TOKENS, leaving)


def test_a_policy_concerns_the_tokens_of_its_namespace() -> None:
    routed = furnished()
    routed.see(TOKENS, token_manifest(namespace="shop"))
    routed.see(TOKENS, token_manifest("other", restrict=("shop/*",), sha256="b" * 64))

    keys = routed.see(POLICIES, policy_manifest(rule(), deny=[]), generation=2)

    assert keys == {CALLERS, TIME, Key(TOKENS, "shop", "ci")}
