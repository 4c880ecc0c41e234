"""What is run, and what it is compared with."""

from conformance.plan import BACKENDS, PORT, baselines, chosen


def test_a_baseline_speaks_http_and_runs_every_suite_that_is_compared_with_it() -> None:
    direct = baselines(BACKENDS)

    assert len(direct) == len(set(direct))
    assert all(run.backend.transport == "streamableHTTP" for run in direct)
    ran = {(run.backend.name, run.suite.name) for run in direct}
    assert {(it.baseline, suite.name) for it in BACKENDS for suite in it.suites} <= ran


def test_a_server_that_listens_is_told_its_port() -> None:
    for backend in BACKENDS:
        told = PORT in [*backend.command, *(value for _, value in backend.env)]
        assert told is (backend.transport == "streamableHTTP")


def test_servers_of_one_era_are_asked_in_the_other_only() -> None:
    across = [backend for backend in BACKENDS if backend.cross_era]

    assert across
    for backend in across:
        own = backend.name.rpartition("-")[2]
        assert own not in {suite.era for suite in backend.suites}
    assert not set(across) & set(chosen((), cross_era=False))
    assert set(across) <= set(chosen((), cross_era=True))
