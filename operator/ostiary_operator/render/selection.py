"""Label selectors, and what a policy selects.  The one evaluation for every wall."""

from collections.abc import Iterable, Mapping

from ostiary_operator.api import MCPAccessPolicy, MCPServer
from ostiary_operator.api.fields import LabelSelector, LabelSelectorRequirement, Namespaces
from ostiary_operator.api.policy import From

Labels = Mapping[str, str]


def matches(selector: LabelSelector, labels: Labels) -> bool:
    """An empty selector matches everything."""
    exact = (labels.get(key) == value for key, value in (selector.matchLabels or {}).items())
    return all(exact) and all(_holds(it, labels) for it in selector.matchExpressions or ())


def _holds(requirement: LabelSelectorRequirement, labels: Labels) -> bool:
    present = requirement.key in labels
    among = labels.get(requirement.key) in (requirement.values or ())
    match requirement.operator:
        case "In":
            return present and among
        case "NotIn":
            return not (present and among)
        case "Exists":
            return present
        case "DoesNotExist":
            return not present


def selects(policy: MCPAccessPolicy, server: MCPServer) -> bool:
    """Whether the policy speaks of the server; both must be of one namespace."""
    if policy.metadata.namespace != server.metadata.namespace:
        return False
    if policy.spec.selector is not None:
        return matches(policy.spec.selector, server.metadata.labels)
    return any(ref.name == server.metadata.name for ref in policy.spec.targetRefs or ())


def selecting(
    policies: Iterable[MCPAccessPolicy], server: MCPServer
) -> tuple[MCPAccessPolicy, ...]:
    """The policies that speak of the server, by name: the order of everything derived."""
    found = (policy for policy in policies if selects(policy, server))
    return tuple(sorted(found, key=lambda policy: policy.metadata.name))


def namespaces_of(
    namespaces: Namespaces | None, *, own: str, known: Mapping[str, Labels]
) -> tuple[str, ...] | None:
    """Literal namespaces, sorted; None stands for every namespace."""
    if namespaces is None or namespaces.from_ == "Same":
        return (own,)
    if namespaces.from_ == "All":
        return None
    selector = namespaces.selector or LabelSelector()
    return tuple(sorted(name for name, labels in known.items() if matches(selector, labels)))


def admits_somebody(entry: From, *, own: str, known: Mapping[str, Labels]) -> bool:
    if entry.serviceAccounts is None:
        return entry.anonymous is not None
    return namespaces_of(entry.serviceAccounts.namespaces, own=own, known=known) != ()


def callers(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> int:
    """Rules that admit somebody; 0 means that nobody may call yet."""
    return sum(
        any(
            admits_somebody(entry, own=policy.metadata.namespace, known=namespaces)
            for entry in rule.from_
        )
        for policy in selecting(policies, server)
        for rule in policy.spec.rules or ()
    )


def selects_namespaces(policy: MCPAccessPolicy) -> bool:
    """Whether a relabelled namespace can change what the policy means."""
    return any(
        entry.serviceAccounts is not None
        and entry.serviceAccounts.namespaces is not None
        and entry.serviceAccounts.namespaces.from_ == "Selector"
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    )
