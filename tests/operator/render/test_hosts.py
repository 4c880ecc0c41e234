"""The names of a Service, which are Hosts, and those of them that tokens may be for."""

from ostiary_operator.render.hosts import service_audiences, service_hosts


def test_a_service_has_four_names_the_canonical_one_first() -> None:
    assert service_hosts("time", "tools") == (
        "time.tools.svc",
        "time.tools.svc.cluster.local",
        "time.tools",
        "time",
    )


def test_the_bare_name_is_no_audience() -> None:
    found = service_audiences("time", "tools", "/x", schemes=("https", "http"))

    assert found[0] == "https://time.tools.svc/x"
    assert len(found) == 6
    assert not [it for it in found if it.endswith("//time/x")]
