"""The ServiceAccount."""

from tests.operator.build import stdio

from ostiary_operator.render.account import account_name, render_account


def test_a_server_gets_an_account_of_its_own_without_a_token() -> None:
    account = render_account(stdio())

    assert account is not None
    assert account["metadata"]["name"] == "time-mcp"
    assert account["automountServiceAccountToken"] is False


def test_an_account_that_the_spec_names_is_somebody_elses() -> None:
    named = stdio(identity={"serviceAccountName": "robot"})

    assert account_name(named) == "robot"
    assert render_account(named) is None
