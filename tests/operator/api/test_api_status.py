"""The schema of status takes what the operator writes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operator.build import accounts, http, policy, rule, stdio

from ostiary_operator.api.status import MCPAccessPolicyStatus, MCPServerStatus
from ostiary_operator.status import Enforcement, Observed, Target, policy_status, server_status

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("build", [http, stdio])
def test_a_servers_status_fits(build: Any) -> None:
    status = server_status(build(), Observed(), {}, NOW)

    MCPServerStatus.model_validate(status, strict=False)


def test_a_policys_status_fits() -> None:
    status = policy_status(
        policy(rule({"anonymous": {}}, accounts("a"))),
        targets=[Target("time", Enforcement(1, 2, 3)), Target("gone", None)],
        namespaces={},
        previous={},
        now=NOW,
    )

    MCPAccessPolicyStatus.model_validate(status, strict=False)
