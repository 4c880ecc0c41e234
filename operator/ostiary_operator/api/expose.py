"""`spec.expose` of servers and groups: a way in from outside the cluster, at a URL of its own."""

import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from .fields import AnnotationMap, DnsLabel, LabelSelector, Subdomain, SubdomainOrNone, label_keys
from .location import NAME, PORT
from .network import IpBlock, peer_laws
from .schema import ATOMIC, Part, Rule, exactly_one

LONGEST_URL: Final = 512
_STEP: Final = "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}"
EXPOSED_PATTERN: Final = f"^https://{NAME}(:{PORT})?(/{_STEP})+$"
"""A path that every Gateway and Ingress takes as an exact one; with a step at least, because that
of its metadata is built on it."""
_OLDER: Final = "/(sse|messages|ws)$"
_PARTS: Final = re.compile(r"https://([^/:]+)(?::\d+)?(/.*)")
_OF_THE_CLUSTER: Final = "([.]svc|[.]cluster[.]local|[.]localhost)$|^[^.]+$"
"""Ends of names that resolve in a cluster alone, or to whoever asks; and names of one label."""
_CLUSTER_CEL: Final = (
    "self.url.matches('^https://[^/:]*([.]svc|[.]cluster[.]local|[.]localhost)(:[0-9]+)?/')"
    " || self.url.matches('^https://[^./:]+(:[0-9]+)?/')"
)
RESERVED_ANNOTATIONS: Final = (
    "ostiary.dev/",
    "app.kubernetes.io/",
    "kubernetes.io/",
    "kubectl.kubernetes.io/",
)
_reserved_cel: Final = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_ANNOTATIONS)


class Gateway(Part):
    name: Subdomain
    """Gateway (gateway.networking.k8s.io) that the HTTPRoute attaches to. Its listener decides
    which namespaces and host names it takes. Required."""
    namespace: DnsLabel | None = None
    """Namespace of the Gateway. Default: that of this object."""
    sectionName: SubdomainOrNone | None = None
    """Name of one listener of the Gateway. Default: every listener that takes the host name."""


class IngressVia(Part):
    laws: ClassVar = (
        label_keys("annotations"),
        Rule(
            cel=f"!has(self.annotations) || self.annotations.all(k, {_reserved_cel})",
            message=f"annotations that begin with {', '.join(RESERVED_ANNOTATIONS)} are reserved: "
            "write those of the ingress controller; className says which one it is",
            holds=lambda it: (
                not any(key.startswith(RESERVED_ANNOTATIONS) for key in it.annotations or ())
            ),
            field="annotations",
        ),
        Rule(
            cel="!has(self.annotations) || self.annotations.all(k, !k.contains('snippet'))",
            message="an annotation with a snippet writes into the configuration of the whole "
            "ingress controller: ask its admin for what it would do",
            holds=lambda it: not any("snippet" in key for key in it.annotations or ()),
            field="annotations",
        ),
    )

    className: SubdomainOrNone | None = None
    """IngressClass. Default: the cluster's default class."""
    tlsSecretName: SubdomainOrNone | None = None
    """Secret of type kubernetes.io/tls in this namespace, with the certificate for the host of
    `url`. Default: the controller's own certificate."""
    annotations: AnnotationMap = None
    """Annotations of the Ingress, for its controller. Default: none."""


class Via(Part):
    laws: ClassVar = (
        exactly_one(
            "gateway",
            "ingress",
            message="write gateway or ingress, or leave via out where somebody else routes",
        ),
    )

    gateway: Gateway | None = None
    """An HTTPRoute of exact paths at this Gateway is made and kept. Default: none."""
    ingress: IngressVia | None = None
    """An Ingress of exact paths is made and kept; `ingress: {}` where the cluster has a default
    class. Default: none."""


class AllowFrom(Part):
    laws: ClassVar = peer_laws(
        missing="say where from: namespaceSelector, podSelector, both of them, or ipBlock",
        mixed="an ipBlock stands alone: write another entry for the selectors",
    )

    namespaceSelector: LabelSelector | None = None
    """Pods of the namespaces with these labels; together with podSelector both must match.
    Default: the namespace of this object."""
    podSelector: LabelSelector | None = None
    """Pods with these labels. Default: all pods of the selected namespaces."""
    ipBlock: IpBlock | None = None
    """Addresses outside the cluster, or of nodes. Default: none."""


def _is_of_the_cluster(url: str) -> bool:
    parts = _PARTS.fullmatch(url)
    return parts is not None and re.search(_OF_THE_CLUSTER, parts[1]) is not None


def _is_written_well(url: str) -> bool:
    return re.fullmatch(EXPOSED_PATTERN[1:-1], url) is not None


class Expose(Part):
    laws: ClassVar = (
        Rule(
            cel=f"self.url.matches('{EXPOSED_PATTERN}')",
            message="write https://HOST/PATH, the host a name in lower case, the path of letters, "
            "digits, '-', '_', '~' and '.', without user, query, # and a slash at the end, for "
            "example https://mcp.example.com/time",
            holds=lambda it: _is_written_well(it.url),
            field="url",
        ),
        Rule(
            cel=f"!({_CLUSTER_CEL})",
            message="the host belongs to the cluster itself: write the name by which clients "
            "outside reach your Gateway or Ingress, for example https://mcp.example.com/time",
            holds=lambda it: not _is_of_the_cluster(it.url),
            field="url",
        ),
        Rule(
            cel=f"!self.url.matches('{_OLDER}') && !self.url.matches(':443/')",
            message="leave :443 out, and let the path end otherwise than in /sse, /messages or /ws,"
            " which are the older transports' own, for example https://mcp.example.com/time",
            holds=lambda it: re.search(_OLDER, it.url) is None and ":443/" not in it.url,
            field="url",
        ),
    )

    url: Annotated[str, Field(min_length=1, max_length=LONGEST_URL)]
    """Where clients outside the cluster find this endpoint, for example
    https://mcp.example.com/time. The proxy serves this very path, so a route must not rewrite it,
    and the URL is an audience of tokens beside those inside the cluster. Two objects with one
    URL: the older keeps it. Required."""
    allowFrom: Annotated[
        tuple[AllowFrom, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)
    ] = None
    """Where the traffic really comes from: the pods of the Gateway or ingress controller, which
    the NetworkPolicy admits. Default: nobody beside those whom policies admit."""
    via: Via | None = None
    """Which route to make. Default: none, somebody else routes."""

    @property
    def host(self) -> str:
        """Without the port."""
        return self._parts[1]

    @property
    def path(self) -> str:
        return self._parts[2]

    @property
    def _parts(self) -> re.Match[str]:
        found = _PARTS.fullmatch(self.url)
        assert found is not None, "the rules are narrower"
        return found

    def peers(self) -> list[dict[str, Any]]:
        """Of a NetworkPolicy, verbatim."""
        return [entry.as_manifest() for entry in self.allowFrom or ()]
