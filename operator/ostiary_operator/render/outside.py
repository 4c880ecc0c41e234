"""The backend of a `remote` or a `service`, and the files that its credentials are in.

Serves the cluster and `ostiary up` alike: the folder and what is beside the URL differ.  A value is
in no document, only the name of its file.
"""

from collections.abc import Iterable
from typing import Final

from ostiary_operator.api import MCPServer
from ostiary_operator.api.location import locate
from ostiary_operator.api.source import Remote, UpstreamHeader
from ostiary_proxy import config

CA_FILE: Final = "ca.crt"
NOWHERE: Final = "unusable.invalid"
"""Host of a Service that cannot be used: a name that by its standard has no address."""


def header_file(header: UpstreamHeader) -> str:
    """Its name below the folder; the CRD lets two headers differ by more than capitals."""
    return f"header-{header.name.lower()}"


def headers_of(server: MCPServer) -> tuple[UpstreamHeader, ...]:
    upstream = server.spec.upstream
    return (upstream.headers if upstream else None) or ()


def has_bundle(server: MCPServer) -> bool:
    return bool(server.spec.upstream and server.spec.upstream.caBundle)


def remote_backend(
    server: MCPServer,
    remote: Remote,
    *,
    folder: str,
    closed: Iterable[str] = (),
    loopback: bool = False,
) -> config.HttpBackend:
    location = locate(remote.url)
    assert location is not None, "the model admits no other URL"
    return config.HttpBackend(
        host=location.host,
        port=location.port,
        path=location.path,
        protocol=server.spec.protocol,
        outside=config.Outside(
            source="remote",
            tls=location.scheme == "https",
            closed=tuple(closed),
            loopback=loopback,
            headers=_headers(server, folder),
            caFile=_bundle(server, folder),
        ),
    )


def service_backend(
    server: MCPServer, *, name: str, host: str, port: int, folder: str, loopback: bool = False
) -> config.HttpBackend:
    """`name`: what its certificate is for, where it speaks TLS."""
    http = server.spec.http
    return config.HttpBackend(
        host=host,
        port=port,
        path=(http and http.path) or "/mcp",
        protocol=server.spec.protocol,
        outside=config.Outside(
            source="service",
            # A Service's certificate is the cluster's own affair: without a CA there is none.
            tls=has_bundle(server),
            serverName=name if has_bundle(server) else "",
            loopback=loopback,
            headers=_headers(server, folder),
            caFile=_bundle(server, folder),
        ),
    )


def service_name(server: MCPServer, service: str) -> str:
    return f"{service}.{server.metadata.namespace}.svc"


def _headers(server: MCPServer, folder: str) -> tuple[config.HeaderFile, ...]:
    return tuple(
        config.HeaderFile(name=it.name.lower(), file=f"{folder}/{header_file(it)}")
        for it in headers_of(server)
    )


def _bundle(server: MCPServer, folder: str) -> str:
    return f"{folder}/{CA_FILE}" if has_bundle(server) else ""
