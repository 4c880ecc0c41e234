"""`spec.network` of a server: where its pods may connect to."""

from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from .fields import IntOrString, LabelSelector
from .schema import ATOMIC, Part, Rule, at_least_one

METADATA_NETWORKS: Final = ("169.254.0.0/16", "fd00:ec2::254/128", "fd00:ec2::23/128")
"""Where clouds keep credentials of the node; never open but by `identity.cloudMetadata`."""


_metadata_cel: Final = " || ".join(
    f"cidr('{network}').containsCIDR(self.cidr)" for network in METADATA_NETWORKS
)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _within(inner: str, outer: str) -> bool:
    if not (_is_network(inner) and _is_network(outer)):
        return False
    small, large = ip_network(inner), ip_network(outer)
    return (
        small.version == large.version
        and small.prefixlen > large.prefixlen
        and small.network_address in large
    )


Cidr = Annotated[str, Field(min_length=1, max_length=43)]


class IpBlock(Part):
    laws: ClassVar = (
        Rule(
            cel="isCIDR(self.cidr) && cidr(self.cidr) == cidr(self.cidr).masked()",
            message="write a network such as 10.0.0.0/8 or 2001:db8::/32, "
            "with no bits set behind its length",
            holds=lambda it: _is_network(it.cidr),
            field="cidr",
        ),
        Rule(
            cel="!has(self.except) || self.except.all(e, isCIDR(e) && isCIDR(self.cidr) "
            "&& cidr(self.cidr).containsCIDR(e) "
            "&& cidr(e).prefixLength() > cidr(self.cidr).prefixLength() "
            "&& cidr(e) == cidr(e).masked())",
            message="each exception is a network inside cidr and smaller than it",
            holds=lambda it: all(_within(inner, it.cidr) for inner in it.except_ or ()),
            field="except",
        ),
        Rule(
            cel=f"!isCIDR(self.cidr) || !({_metadata_cel})",
            message="a cloud's metadata service is opened by identity.cloudMetadata: true alone",
            holds=lambda it: (
                not any(
                    it.cidr == closed or _within(it.cidr, closed) for closed in METADATA_NETWORKS
                )
            ),
            field="cidr",
        ),
    )

    cidr: Cidr
    """Network in CIDR notation. The networks of cloud metadata services stay closed inside it.
    Required."""
    except_: Annotated[
        tuple[Cidr, ...] | None, Field(alias="except", max_length=64, json_schema_extra=ATOMIC)
    ] = None
    """Networks inside `cidr` that stay closed. Default: none."""


class Port(Part):
    port: IntOrString | None = None
    """Port number, or the name of a container port. Default: every port of the protocol."""
    endPort: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Last port of a range that begins at `port`. Default: `port` alone."""
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    """Default: TCP."""

    laws: ClassVar = (
        Rule(
            cel="!has(self.port) || type(self.port) != int "
            "|| (int(self.port) >= 1 && int(self.port) <= 65535)",
            message="write a port from 1 to 65535, or the name of one",
            holds=lambda it: not isinstance(it.port, int) or 1 <= it.port <= 65535,
            field="port",
        ),
        Rule(
            cel="!has(self.endPort) || (has(self.port) && type(self.port) == int "
            "&& int(self.port) <= self.endPort)",
            message="endPort needs a numeric port that is not above it",
            holds=lambda it: (
                it.endPort is None or (isinstance(it.port, int) and it.port <= it.endPort)
            ),
            field="endPort",
        ),
    )


def peer_laws(*, missing: str, mixed: str) -> tuple[Rule, ...]:
    """Of a NetworkPolicy peer; `missing`, `mixed`: what to write instead."""
    return (
        at_least_one("namespaceSelector", "podSelector", "ipBlock", message=missing),
        Rule(
            cel="!has(self.ipBlock) || !(has(self.namespaceSelector) || has(self.podSelector))",
            message=mixed,
            holds=lambda it: (
                it.ipBlock is None or (it.namespaceSelector is None and it.podSelector is None)
            ),
            field="ipBlock",
        ),
    )


class EgressTo(Part):
    laws: ClassVar = peer_laws(
        missing="say where to: namespaceSelector, podSelector, both of them, or ipBlock",
        mixed="an ipBlock stands alone: write a second entry for the selectors",
    )

    namespaceSelector: LabelSelector | None = None
    """Pods of the namespaces with these labels; together with podSelector both must match.
    Default: the namespace of this object."""
    podSelector: LabelSelector | None = None
    """Pods with these labels. Default: all pods of the selected namespaces."""
    ipBlock: IpBlock | None = None
    """Addresses outside the cluster. Default: none."""
    ports: Annotated[tuple[Port, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)] = None
    """Ports of the destination. Default: every port."""


def _is_custom(egress: Any) -> bool:
    return bool(egress.mode == "Custom")


class Egress(Part):
    laws: ClassVar = (
        Rule(
            cel="(has(self.mode) && self.mode == 'Custom') == has(self.to)",
            message="write to with mode: Custom, and only then",
            holds=lambda it: _is_custom(it) == (it.to is not None),
            field="to",
        ),
    )

    mode: Literal["None", "Public", "Custom", "Unrestricted"] | None = None
    """None: cluster DNS only. Public: the internet, but no private, link-local or cluster address.
    Custom: what `to` lists. Unrestricted: everywhere but cloud metadata services. It does not stop
    a server from sending data to where it may connect. Default: the cluster's setting, Public
    unless the admin changed it."""
    to: Annotated[
        tuple[EgressTo, ...] | None, Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)
    ] = None
    """Destinations that are open with mode: Custom, beside cluster DNS. Default: none."""


class Network(Part):
    egress: Egress | None = None
    """Where the server may connect to. Default: the cluster's setting."""
