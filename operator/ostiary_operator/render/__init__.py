"""Desired children of an MCPServer.  Pure: no clock, no cluster, no environment, no randomness."""

from ostiary_operator.api import MCPServer
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy.config import ProxyConfig

from . import keys, names, proxy_config, selection, shrink
from .account import render_account
from .budget import render_budget
from .config_map import render_config_map
from .deployment import render_deployment
from .expose import render_routes
from .meta import Manifest
from .network import render_network_policy, render_protection
from .proxy_config import ServerView
from .service import render_pods_service, render_service
from .widening import widened_by

__all__ = [
    "Manifest",
    "ServerView",
    "children",
    "keys",
    "names",
    "proxy_config",
    "selection",
    "shrink",
    "widened_by",
]


def children(
    server: MCPServer,
    view: ServerView,
    settings: ClusterSettings,
    env: OperatorEnv,
    *,
    document: ProxyConfig | None = None,
) -> list[Manifest]:
    """In the order of apply: the wall stands before there is anything behind it.

    `document` takes the place of the rendered one, as where that is too large: `shrink.bounded`.
    """
    document = document or proxy_config.render(server, view, settings, env)
    wanted = [
        render_account(server),
        render_config_map(server, document),
        render_network_policy(
            server, view.policies, settings, env, view.workload, view.groups, view.exposure
        ),
        render_protection(server, view.workload),
        render_service(server),
        render_pods_service(server),
        render_budget(server),
        render_deployment(server, settings),
        *render_routes(server, view.exposure),
    ]
    return [manifest for manifest in wanted if manifest is not None]
