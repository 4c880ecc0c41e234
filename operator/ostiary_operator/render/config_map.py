"""The ConfigMap that carries the proxy's config document."""

from ostiary_proxy.config import CONFIG_FILE, ProxyConfig

from . import names
from .meta import Manifest, Root, metadata, prefix
from .proxy_config import encode


def render_config_map(root: Root, document: ProxyConfig) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(root, names.config(prefix(root))),
        "data": {CONFIG_FILE: encode(document)},
    }
