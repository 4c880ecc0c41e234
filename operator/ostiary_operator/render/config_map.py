"""The ConfigMap that carries the proxy's config document."""

from ostiary_operator.api import MCPServer
from ostiary_proxy.config import CONFIG_FILE, ProxyConfig

from . import names
from .meta import Manifest, metadata
from .proxy_config import encode


def render_config_map(server: MCPServer, document: ProxyConfig) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(server, names.config(server.metadata.name)),
        "data": {CONFIG_FILE: encode(document)},
    }
