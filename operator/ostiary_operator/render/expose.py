"""The routes to a root from outside the cluster: an HTTPRoute or an Ingress of exact paths.  Pure.

Nothing is rewritten on the way: the proxy serves the very paths that stand here.  Whether a root
may have its URL is `exposures`' word; who carries the traffic, and from where, is the owner's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary_operator.api import MCPServer
from ostiary_operator.api.expose import Expose, Gateway, IngressVia
from ostiary_proxy.config import WELL_KNOWN, Exposed

from . import names
from .meta import Manifest, Root, metadata, prefix
from .service import service_port

MATCHES: Final = 8
"""Of one rule of an HTTPRoute: all that the first releases of the Gateway API take."""
RULES: Final = 15
"""Of one HTTPRoute: the API takes 16, and 128 matches in all."""
_USUAL: Final = "mcp"
"""Last step of a path that those of the older transports take the place of."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What of a root's `spec.expose` holds."""

    expose: Expose | None = None
    """None: nothing is asked for, or another object has the URL."""
    taken_by: str = ""
    """Kind, namespace and name of that other object."""
    has_routes: bool = True
    """False: the cluster has no HTTPRoute, so none is made."""

    @property
    def url(self) -> str:
        return self.expose.url if self.expose else ""

    @property
    def lacks_routes(self) -> bool:
        """It asks for an HTTPRoute, and there is no such kind."""
        via = self.expose.via if self.expose else None
        return via is not None and via.gateway is not None and not self.has_routes

    @property
    def exposed(self) -> Exposed | None:
        """As the proxy is told."""
        it = self.expose
        return Exposed(url=it.url, host=it.host, path=it.path) if it else None


NOT_EXPOSED: Final = Exposure()


def render_routes(root: Root, exposure: Exposure, below: Iterable[str] = ()) -> list[Manifest]:
    """Empty where somebody else routes.  `below`: further endpoints, by their paths beneath the
    exposed one."""
    expose = exposure.expose
    if expose is None or expose.via is None:
        return []
    paths = list(exposed_paths(root, expose, below))
    if expose.via.ingress is not None:
        return [_ingress(root, expose, expose.via.ingress, paths)]
    if expose.via.gateway is None or exposure.lacks_routes:
        return []
    return [
        _http_route(root, expose, expose.via.gateway, chunk, number)
        for number, chunk in enumerate(_chunks(paths, MATCHES * RULES))
    ]


def exposed_paths(root: Root, expose: Expose, below: Iterable[str] = ()) -> Iterator[str]:
    """Each with that of its metadata."""
    for path in (expose.path, *(expose.path + step for step in below)):
        yield path
        yield WELL_KNOWN + path
    if isinstance(root, MCPServer) and root.spec.clients is not None:
        yield from _older(expose.path, sse=root.spec.clients.sse, ws=root.spec.clients.webSocket)


def _older(path: str, *, sse: bool | None, ws: bool | None) -> Iterator[str]:
    base, _, last = path.rpartition("/")
    base = base if last == _USUAL else path
    if sse:
        yield f"{base}/sse"
        yield f"{base}/messages"
    if ws:
        yield f"{base}/ws"


def _http_route(
    root: Root, expose: Expose, gateway: Gateway, paths: Sequence[str], number: int
) -> Manifest:
    service = names.service(prefix(root))
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(root, names.route(prefix(root), number)),
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "namespace": gateway.namespace or root.metadata.namespace,
                    "name": gateway.name,
                    **({"sectionName": gateway.sectionName} if gateway.sectionName else {}),
                }
            ],
            "hostnames": [expose.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "Exact", "value": path}} for path in some],
                    "backendRefs": [
                        {
                            "group": "",
                            "kind": "Service",
                            "name": service,
                            "port": service_port(root),
                        }
                    ],
                }
                for some in _chunks(paths, MATCHES)
            ],
        },
    }


def _ingress(root: Root, expose: Expose, via: IngressVia, paths: Sequence[str]) -> Manifest:
    meta = metadata(root, names.route(prefix(root)))
    service = names.service(prefix(root))
    backend = {"service": {"name": service, "port": {"number": service_port(root)}}}
    secret = {"secretName": via.tlsSecretName} if via.tlsSecretName else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**meta, **({"annotations": via.annotations} if via.annotations else {})},
        "spec": {
            **({"ingressClassName": via.className} if via.className else {}),
            "tls": [{"hosts": [expose.host], **secret}],
            "rules": [
                {
                    "host": expose.host,
                    "http": {
                        "paths": [
                            {"path": path, "pathType": "Exact", "backend": backend}
                            for path in paths
                        ]
                    },
                }
            ],
        },
    }


def _chunks(paths: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (paths[at : at + size] for at in range(0, len(paths), size))
