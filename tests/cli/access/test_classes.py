"""Labels that a selector matches, made up."""

import json

import pytest
from tests.cli.access.written import a_policy

from ostiary_cli.access.classes import classes_in, labels_for, name_of
from ostiary_operator.api import LABEL_NAMESPACE_NAME
from ostiary_operator.api.fields import LabelSelector

OWN = LABEL_NAMESPACE_NAME


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ({}, [{}]),
        ({"matchLabels": {"a": "b"}}, [{"a": "b"}]),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]},
            [{"a": "b"}, {"a": "c"}],
        ),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, [{"a": "any"}]),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, [{}]),
        (
            {
                "matchLabels": {"a": "b"},
                "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}],
            },
            [],
        ),
    ],
)
def test_labels_are_found_that_match(
    selector: dict[str, object], labels: list[dict[str, str]]
) -> None:
    assert labels_for(LabelSelector.model_validate_json(json.dumps(selector))) == labels


def test_a_namespace_that_is_named_keeps_its_name() -> None:
    assert name_of({OWN: "tools", "a": "b"}) == "tools"
    assert name_of({"b": "c", "a": "b"}) == "{a=b,b=c}"


def test_two_selectors_have_what_both_select() -> None:
    def entry(labels: dict[str, str]) -> dict[str, object]:
        selector = {"from": "Selector", "selector": {"matchLabels": labels}}
        return {"serviceAccounts": {"names": ["*"], "namespaces": selector}}

    policy = a_policy(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPAccessPolicy",
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {
                "selector": {},
                "rules": [
                    {
                        "name": "r",
                        "from": [entry({"a": "1"}), entry({"a": "2"}), entry({"b": "1"})],
                        "allow": {"tools": ["*"]},
                    }
                ],
            },
        }
    )

    found = classes_in([policy])

    assert set(found.labels) == {"{a=1}", "{a=2}", "{b=1}", "{a=1,b=1}", "{a=2,b=1}"}
    assert found.complete
