from typing import Any

from tests.operator.build import policy_manifest, rule, server_manifest

from ostiary_operator.api import MCPServer
from ostiary_operator.api.parse import Invalid
from ostiary_operator.cache import Cache
from ostiary_operator.models import Models, Parsed
from ostiary_operator.resources import POLICIES, SERVERS


def test_an_object_is_parsed_once_however_often_its_status_changes() -> None:
    parsed: Parsed[object] = Parsed(lambda manifest: object())
    first = parsed(server_manifest(resourceVersion="1"))

    again = parsed(server_manifest(resourceVersion="2") | {"status": {"conditions": []}})

    assert again is first


def test_a_new_generation_labels_or_a_deletion_are_parsed_again() -> None:
    parsed: Parsed[object] = Parsed(lambda manifest: object())
    metadata: list[dict[str, Any]] = [
        {"generation": 2},
        {"generation": 3},
        {"generation": 3, "labels": {"team": "a"}},
        {"generation": 3, "labels": {"team": "a"}, "deletionTimestamp": "2026-07-01T12:00:00Z"},
    ]

    models = [parsed(server_manifest(**more)) for more in metadata]

    assert len({id(model) for model in models}) == len(metadata)


def test_a_namesake_with_another_uid_is_another_object() -> None:
    parsed: Parsed[object] = Parsed(lambda manifest: object())

    assert parsed(server_manifest(uid="u-1")) is not parsed(server_manifest(uid="u-2"))


def test_the_servers_and_policies_of_a_namespace_come_by_name_and_without_the_broken() -> None:
    cache = Cache()
    for name in ("zebra", "apple"):
        cache.see(SERVERS, server_manifest(name=name, uid=name))
        policy = policy_manifest(rule(), name=name)
        policy["metadata"]["uid"] = f"p-{name}"
        cache.see(POLICIES, policy)
    cache.see(SERVERS, server_manifest({"image": ""}, name="broken", uid="broken"))
    cache.see(SERVERS, server_manifest(name="elsewhere", uid="e", namespace="other"))
    models = Models(cache)

    assert [it.metadata.name for it in models.servers("tools")] == ["apple", "zebra"]
    assert [it.metadata.name for it in models.policies("tools")] == ["apple", "zebra"]


def test_a_broken_server_is_told_as_invalid() -> None:
    models = Models(Cache())

    assert isinstance(models.server(server_manifest({"image": ""})), Invalid)
    assert isinstance(models.server(server_manifest(uid="u-2")), MCPServer)


def test_of_a_policy_with_one_invalid_rule_the_deny_and_the_other_rules_hold() -> None:
    broken = rule(name="broken") | {"from": [{"nobody": {}}]}
    manifest = policy_manifest(broken, rule(name="good"), deny=[{"tools": ["rm"]}])
    models = Models(Cache())

    usable = models.usable(manifest)

    assert isinstance(models.policy(manifest), Invalid)
    assert usable is not None
    assert [it.name for it in usable.spec.rules or ()] == ["good"]
    assert [it.tools for it in usable.spec.deny or ()] == [("rm",)]


def test_objects_that_are_gone_are_forgotten() -> None:
    cache = Cache()
    models = Models(cache)
    cache.see(SERVERS, server_manifest(name="stays", uid="stays"))
    stays = models.server(server_manifest(name="stays", uid="stays"))
    goes = models.server(server_manifest(name="goes", uid="goes"))

    models.tidy()

    assert models.server(server_manifest(name="stays", uid="stays")) is stays
    assert models.server(server_manifest(name="goes", uid="goes")) is not goes
