"""Every rule of the API on both walls: the real API server, and the models.

The API server's answer and the models' must name the same field and say the same words.
"""

import json

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.crds.fixtures import FOLDER, Fixture, accepted, refused

from ostiary_operator.api import Invalid, parse_group, parse_policy, parse_server, parse_token
from ostiary_operator.api.schema import Part

pytestmark = pytest.mark.usefixtures("crds")


def parse(fixture: Fixture) -> object:
    parsers = {
        "MCPServer": parse_server,
        "MCPGroup": parse_group,
        "MCPAccessPolicy": parse_policy,
        "MCPAccessToken": parse_token,
    }
    return parsers[fixture.document["kind"]](fixture.document)


def create(kubectl: Kubectl, fixture: Fixture) -> str:
    """What the API server says; empty when it takes the object."""
    done = kubectl.run(
        "create", "--dry-run=server", "--validate=strict", "-f", "-",
        stdin=json.dumps(fixture.document),
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def laws() -> set[str]:
    """The message of each rule of each model."""
    found, todo = set(), [Part]
    while todo:
        model = todo.pop()
        if model.__module__.startswith("ostiary_operator."):
            found |= {rule.message for rule in model.laws}
        todo += model.__subclasses__()
    return found


@pytest.mark.parametrize("fixture", accepted(), ids=str)
def test_what_keeps_the_rules_is_accepted_by_both(fixture: Fixture, kubectl: Kubectl) -> None:
    parsed = parse(fixture)
    answer = create(kubectl, fixture)

    assert not isinstance(parsed, Invalid), str(parsed)
    assert answer == ""


@pytest.mark.parametrize("fixture", refused(), ids=str)
def test_what_breaks_a_rule_is_refused_by_both(fixture: Fixture, kubectl: Kubectl) -> None:
    parsed = parse(fixture)
    answer = create(kubectl, fixture)

    assert isinstance(parsed, Invalid)
    assert fixture.path in str(parsed)
    assert fixture.message in str(parsed)
    assert answer, "the API server took it"
    assert fixture.path in answer
    assert fixture.message in answer


def test_each_rule_has_an_accepted_and_a_refused_manifest() -> None:
    refusals = [fixture.message for fixture in refused()]
    files = {
        folder: {file.name for file in (FOLDER / folder).glob("*.yaml")}
        for folder in ("accepted", "refused")
    }

    untested = [law for law in laws() if not any(it and law.startswith(it) for it in refusals)]

    assert files["accepted"] == files["refused"]
    assert untested == []
