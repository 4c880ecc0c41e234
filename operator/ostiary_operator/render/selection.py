"""Label selectors, and what a policy selects.  The one evaluation for every wall."""

from collections.abc import Iterable, Mapping

from ostiary_operator.api import MCPAccessPolicy, MCPGroup, MCPServer
from ostiary_operator.api.fields import LabelSelector, LabelSelectorRequirement, Namespaces
from ostiary_operator.api.subjects import From, Who

from .meta import Root, kind_of

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


def selects(policy: MCPAccessPolicy, root: Root, known: Mapping[str, Labels]) -> bool:
    """Whether the policy speaks of the root: one of its namespace, or a ceiling over it."""
    own, namespace = policy.metadata.namespace, root.metadata.namespace
    if policy.spec.is_ceiling:
        over = namespaces_of(policy.spec.namespaces, own=own, known=known)
        return over is None or namespace in over
    if own != namespace:
        return False
    if policy.spec.selector is not None:
        # Servers alone: a group is spoken of by its name.
        return not isinstance(root, MCPGroup) and matches(
            policy.spec.selector, root.metadata.labels
        )
    kind, name = kind_of(root), root.metadata.name
    return any((ref.kind, ref.name) == (kind, name) for ref in policy.spec.targetRefs or ())


def selecting(
    policies: Iterable[MCPAccessPolicy], root: Root, known: Mapping[str, Labels]
) -> tuple[MCPAccessPolicy, ...]:
    """The policies that speak of the root, by name: the order of everything derived."""
    found = (policy for policy in policies if selects(policy, root, known))
    return tuple(sorted(found, key=lambda it: (it.metadata.namespace, it.metadata.name)))


def granting(policies: Iterable[MCPAccessPolicy], root: Root) -> tuple[MCPAccessPolicy, ...]:
    """Of them, those whose rules let somebody in: no ceiling, and none that only observes."""
    chosen = (it for it in policies if not it.spec.is_ceiling and not it.spec.is_observed)
    return selecting(chosen, root, {})


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


def namespaces_named(entry: Who) -> Namespaces | None:
    """Where the objects that the entry speaks of live; None: in its policy's own namespace, or
    nowhere, as people do."""
    named = entry.serviceAccounts or entry.tokens
    return named.namespaces if named else None


def admits_somebody(entry: From, *, own: str, known: Mapping[str, Labels]) -> bool:
    if entry.serviceAccounts is None and entry.tokens is None:
        return True
    return namespaces_of(namespaces_named(entry), own=own, known=known) != ()


def callers(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> int:
    """Rules that admit somebody; 0 means that nobody may call yet."""
    return admitting_rules(granting(policies, server), namespaces)


def admitting_rules(policies: Iterable[MCPAccessPolicy], namespaces: Mapping[str, Labels]) -> int:
    """How many rules of these admit somebody."""
    return sum(
        any(
            admits_somebody(entry, own=policy.metadata.namespace, known=namespaces)
            for entry in rule.from_
        )
        for policy in policies
        for rule in policy.spec.rules or ()
    )


def selects_namespaces(policy: MCPAccessPolicy) -> bool:
    """Whether a relabelled namespace can change what the policy means."""
    named = (policy.spec.namespaces, *map(namespaces_named, entries(policy)))
    return any(it is not None and it.from_ == "Selector" for it in named)


def entries(policy: MCPAccessPolicy) -> tuple[Who, ...]:
    """Everybody that the policy speaks of, to grant or to deny."""
    granted = (entry for rule in policy.spec.rules or () for entry in rule.from_)
    denied = (entry for deny in policy.spec.deny or () for entry in deny.from_ or ())
    return (*granted, *denied)
