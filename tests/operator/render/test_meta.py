"""Metadata of every child."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, STDIO, group, server

from ostiary_operator.render import ServerView, children
from ostiary_operator.render.meta import (
    Root,
    kind_of,
    label_of,
    labels,
    owner_reference,
    prefix,
    replicas_of,
)

PARENT = server(
    STDIO | {"replicas": 2},
    labels={"app.kubernetes.io/instance": "argo", "tier": "internal"},
    annotations={"argocd.argoproj.io/tracking-id": "x"},
)
CHILDREN = children(PARENT, ServerView(), SETTINGS, ENV)


@pytest.mark.parametrize("child", CHILDREN, ids=lambda child: child["kind"])
def test_a_child_is_owned_and_labelled_and_inherits_nothing(child: dict[str, Any]) -> None:
    metadata = child["metadata"]

    assert metadata["namespace"] == "tools"
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "ostiary",
        "app.kubernetes.io/managed-by": "ostiary",
        "app.kubernetes.io/component": "server",
        "ostiary.dev/server": "time",
    }
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPServer",
            "name": "time",
            "uid": "u-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert "annotations" not in metadata


def test_the_wall_stands_before_there_is_anything_behind_it() -> None:
    kinds = [child["kind"] for child in CHILDREN]

    assert kinds == [
        "ServiceAccount",
        "ConfigMap",
        "NetworkPolicy",
        "Service",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ]


def test_the_same_objects_give_the_same_children() -> None:
    assert children(PARENT, ServerView(), SETTINGS, ENV) == CHILDREN


@pytest.mark.parametrize(("spec", "wanted"), [({}, 1), ({"replicas": 0}, 0), ({"replicas": 3}, 3)])
def test_replicas_that_are_not_said_are_one(spec: dict[str, int], wanted: int) -> None:
    assert replicas_of(server(STDIO | spec)) == wanted


@pytest.mark.parametrize(
    ("root", "kind", "label", "begins"),
    [
        (server(), "MCPServer", "ostiary.dev/server", "time"),
        (group(), "MCPGroup", "ostiary.dev/group", "everyday-group"),
    ],
    ids=["server", "group"],
)
def test_a_child_tells_whose_it_is(root: Root, kind: str, label: str, begins: str) -> None:
    name = root.metadata.name

    assert (kind_of(root), label_of(root), prefix(root)) == (kind, label, begins)
    assert labels(root)[label] == name
    assert owner_reference(root)["kind"] == kind
