"""What is found once for all sentences."""

from tests.operator.build import stdio
from tests.operator.cluster_state import NOW, deployment, healthy, pod, waiting

from ostiary_operator.status import Observed
from ostiary_operator.status.scene import look


def test_a_deployment_that_its_controller_has_not_seen_is_not_rolled_out() -> None:
    server = stdio()
    fresh = deployment(server)
    del fresh["status"]

    assert not look(server, Observed(deployment=fresh), {}, NOW).rolled_out
    assert look(server, healthy(server), {}, NOW).rolled_out


def test_our_own_children_are_never_a_missing_reference() -> None:
    server = stdio()
    state = waiting("CreateContainerConfigError", 'configmap "time-proxy" not found')

    assert look(server, Observed(pods=(pod(server=state),)), {}, NOW).references is None


def test_a_pod_whose_proxy_was_not_asked_is_noticed() -> None:
    server = stdio()

    assert look(server, healthy(server, reports={}), {}, NOW).unasked
    assert not look(server, healthy(server), {}, NOW).unasked
