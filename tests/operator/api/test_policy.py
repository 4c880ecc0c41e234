"""MCPAccessPolicy: what stands when little is said."""

from tests.operator.build import accounts, policy, rule


def test_accounts_without_namespaces_are_those_of_the_policys_own() -> None:
    (found,) = policy(rule(accounts("planner"))).spec.rules or ()

    assert found.from_[0].serviceAccounts is not None
    assert found.from_[0].serviceAccounts.namespaces is None


def test_an_empty_selector_is_told_from_none() -> None:
    selecting = policy(rule(), selector={})
    naming = policy(rule(), target="time")

    assert selecting.spec.selector is not None
    assert naming.spec.selector is None


def test_a_list_that_is_absent_is_not_an_empty_one() -> None:
    (found,) = policy(rule(allow={"tools": ["*"]})).spec.rules or ()

    assert (found.allow.tools, found.allow.resources, found.allow.prompts) == (("*",), None, None)
