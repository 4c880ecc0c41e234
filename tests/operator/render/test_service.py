"""The two Services."""

from tests.operator.build import stdio

from ostiary_operator.render.service import render_pods_service, render_service


def test_clients_reach_the_proxy_on_port_80_and_never_its_admin_port() -> None:
    spec = render_service(stdio())["spec"]

    assert [(it["port"], it["targetPort"]) for it in spec["ports"]] == [(80, "mcp")]
    assert spec["selector"] == {"ostiary.dev/server": "time"}


def test_the_headless_service_holds_pods_that_drain_too() -> None:
    service = render_pods_service(stdio())

    assert service["metadata"]["name"] == "time-pods"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert [(it["name"], it["port"]) for it in service["spec"]["ports"]] == [
        ("mcp", 8080),
        ("admin", 9464),
    ]


def test_with_tls_clients_reach_port_443_alone() -> None:
    spec = render_service(stdio(tls={"secretName": "time-tls"}))["spec"]

    assert [(it["port"], it["targetPort"]) for it in spec["ports"]] == [(443, "mcp-tls")]
