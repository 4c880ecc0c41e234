"""Does the cluster make sure that personal tokens are made by their users?"""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operator.fake_api import FakeApi, serving

from ostiary_operator.resources import ADMISSION_BINDINGS, ADMISSION_POLICIES
from ostiary_operator.vouching import NAME, Vouching

POLICY: dict[str, Any] = {
    "metadata": {"name": NAME, "creationTimestamp": "2029-01-01T00:00:00Z"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"resources": ["mcpaccesstokens"]}]},
        "validations": [{"expression": "true"}],
    },
}
BINDING: dict[str, Any] = {
    "metadata": {"name": NAME, "creationTimestamp": "2029-01-01T00:00:05Z"},
    "spec": {"policyName": NAME, "validationActions": ["Deny"]},
}


async def seen(policy: dict[str, Any] | None, binding: dict[str, Any] | None) -> datetime | None:
    api = FakeApi()
    if policy:
        api.put(ADMISSION_POLICIES, copy.deepcopy(policy))
    if binding:
        api.put(ADMISSION_BINDINGS, copy.deepcopy(binding))
    async with serving(api) as cluster:
        vouching = Vouching(cluster=cluster, changed=lambda: None)
        await vouching.look()
        return vouching.since


async def test_both_must_be_there_and_the_younger_counts() -> None:
    assert await seen(POLICY, BINDING) == datetime(2029, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert await seen(POLICY, None) is None
    assert await seen(None, BINDING) is None


@pytest.mark.parametrize(
    "change",
    [
        {"failurePolicy": "Ignore"},
        {"validations": []},
        {"matchConstraints": {"resourceRules": [{"resources": ["mcpservers"]}]}},
        {"matchConstraints": {}},
    ],
    ids=str,
)
async def test_a_policy_that_lets_tokens_pass_vouches_for_nothing(change: dict[str, Any]) -> None:
    assert await seen({**POLICY, "spec": {**POLICY["spec"], **change}}, BINDING) is None


@pytest.mark.parametrize(
    "change",
    [
        {"validationActions": ["Audit", "Warn"]},
        {"validationActions": []},
        {"policyName": "another"},
        {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
    ],
    ids=str,
)
async def test_a_binding_that_does_not_deny_everywhere_vouches_for_nothing(
    change: dict[str, Any],
) -> None:
    assert await seen(POLICY, {**BINDING, "spec": {**BINDING["spec"], **change}}) is None


async def test_news_are_told_once() -> None:
    api, told = FakeApi(), list[int]()
    async with serving(api) as cluster:
        vouching = Vouching(cluster=cluster, changed=lambda: told.append(1))
        await vouching.look()
        assert told == []
        api.put(ADMISSION_POLICIES, copy.deepcopy(POLICY))
        api.put(ADMISSION_BINDINGS, copy.deepcopy(BINDING))
        await vouching.look()
        await vouching.look()
        assert told == [1]
        api.take(ADMISSION_BINDINGS, "", NAME)
        await vouching.look()

    assert told == [1, 1]
    assert vouching.since is None
