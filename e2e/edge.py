"""An edge before the cluster: nginx, routed as rendered Ingresses or HTTPRoutes say.

Their exact paths, and nothing rewritten: what a Gateway or an ingress controller would make of such
an object, in as few lines as it takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Route:
    host: str
    path: str
    namespace: str
    service: str
    port: int


def read(manifest: Mapping[str, Any]) -> Iterator[Route]:
    """What either kind means.  What it may not hold fails: a prefix, a filter, another kind."""
    spec, namespace = manifest["spec"], manifest["metadata"]["namespace"]
    if manifest["kind"] == "Ingress":
        for rule in spec["rules"]:
            for it in rule["http"]["paths"]:
                assert it["pathType"] == "Exact"
                service = it["backend"]["service"]
                name, port = service["name"], service["port"]["number"]
                yield Route(rule["host"], it["path"], namespace, name, port)
        return
    assert manifest["kind"] == "HTTPRoute"
    for rule in spec["rules"]:
        assert set(rule) == {"matches", "backendRefs"}
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            assert match["path"]["type"] == "Exact"
            assert set(match) == {"path"}
            path = match["path"]["value"]
            for host in spec["hostnames"]:
                yield Route(host, path, namespace, backend["name"], backend["port"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where it runs, and what it has there."""

    listen: str
    folder: str
    """For its own files."""
    certificate: str
    """Folder of tls.crt and tls.key."""
    upstream: str = ""
    """In place of the Services that the routes name."""
    source: str = ""
    """Address that its connections come from, where it is to choose."""
    log: str = "stderr"


def configuration(routes: Sequence[Route], place: Place) -> str:
    (host,) = {it.host for it in routes}
    locations = "\n".join(_location(it, place) for it in routes)
    temporary = "\n".join(
        f"  {kind}_temp_path {place.folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
pid {place.folder}/nginx.pid;
error_log {place.log};
events {{}}
http {{
  access_log off;
{temporary}
  map $http_upgrade $upgrading {{ default upgrade; '' ''; }}
  server {{
    listen {place.listen} ssl;
    server_name {host};
    ssl_certificate {place.certificate}/tls.crt;
    ssl_certificate_key {place.certificate}/tls.key;
{locations}
    location / {{ return 404 "no route\\n"; }}
  }}
}}
"""


def _location(route: Route, place: Place) -> str:
    """As controllers write them: the path as it is, and what they know of the client."""
    upstream = place.upstream or f"{route.service}.{route.namespace}.svc.cluster.local:{route.port}"
    source = f"proxy_bind {place.source};" if place.source else ""
    return f"""    location = {route.path} {{
      proxy_pass http://{upstream};
      {source}
      proxy_connect_timeout 3s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrading;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }}"""
