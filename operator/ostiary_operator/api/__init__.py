"""The API: names, conditions, and the models of every kind.  Defined once, here."""

from .conditions import Reason, Type
from .names import (
    API_VERSION,
    CATEGORY,
    COMPONENT_SERVER,
    CONFIG_ANNOTATION,
    FIELD_MANAGER,
    GROUP,
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_NAMESPACE_NAME,
    LABEL_SERVER,
    POLICY_KIND,
    POLICY_PLURAL,
    PRODUCT,
    REPLICAS_MANAGER,
    SERVER_KIND,
    SERVER_PLURAL,
    STATUS_MANAGER,
    TOKEN_KIND,
    TOKEN_PLURAL,
    VERSION,
)
from .parse import Invalid, Problem, parse_policy, parse_server, parse_token
from .policy import MCPAccessPolicy
from .server import MCPServer
from .token import MCPAccessToken

__all__ = [
    "API_VERSION",
    "CATEGORY",
    "COMPONENT_SERVER",
    "CONFIG_ANNOTATION",
    "FIELD_MANAGER",
    "GROUP",
    "LABEL_COMPONENT",
    "LABEL_MANAGED_BY",
    "LABEL_NAME",
    "LABEL_NAMESPACE_NAME",
    "LABEL_SERVER",
    "POLICY_KIND",
    "POLICY_PLURAL",
    "PRODUCT",
    "REPLICAS_MANAGER",
    "SERVER_KIND",
    "SERVER_PLURAL",
    "STATUS_MANAGER",
    "TOKEN_KIND",
    "TOKEN_PLURAL",
    "VERSION",
    "Invalid",
    "MCPAccessPolicy",
    "MCPAccessToken",
    "MCPServer",
    "Problem",
    "Reason",
    "Type",
    "parse_policy",
    "parse_server",
    "parse_token",
]
