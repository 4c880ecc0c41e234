"""What a refused caller is told to have written."""

import pytest
import yaml

from ostiary_proxy.callers import Caller
from ostiary_proxy.remedy import policy_to_write

HOSTILE = 'x"\n\x1b[31m\u202e- {name: evil}' + "y" * 10_000


@pytest.mark.parametrize(
    ("caller", "entry"),
    [
        (Caller.anonymous(), {"anonymous": {}}),
        (Caller.user("alice@example.com"), {"users": {"names": ["alice@example.com"]}}),
        (Caller.service_account("tools", "ci"), {"serviceAccounts": {"names": ["ci"]}}),
        (Caller.token("tools", "ci"), {"tokens": {"names": ["ci"]}}),
        (
            Caller.token("shop", "ci"),
            {
                "tokens": {
                    "names": ["ci"],
                    "namespaces": {
                        "from": "Selector",
                        "selector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                    },
                }
            },
        ),
    ],
    ids=["anonymous", "user", "account", "token", "token-of-elsewhere"],
)
def test_it_is_a_policy_that_names_the_caller(caller: Caller, entry: object) -> None:
    message = policy_to_write(caller, "tools", "time")

    assert caller.principal in message
    document = yaml.safe_load(message[message.index("apiVersion") :])
    assert document["kind"] == "MCPAccessPolicy"
    assert document["spec"]["rules"][0]["from"] == [entry]


def test_a_hostile_name_adds_no_line_and_is_cut_short() -> None:
    plain = policy_to_write(Caller.user("alice"), "tools", "time")
    hostile = policy_to_write(Caller.user(HOSTILE), "tools", "time")

    assert hostile.count("\n") == plain.count("\n")
    assert len(hostile) < 1000
    assert not {"\x1b", "\u202e"} & set(hostile)
    yaml.safe_load(hostile[hostile.index("apiVersion") :])
