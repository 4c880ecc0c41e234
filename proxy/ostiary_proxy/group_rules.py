"""A group's rules: each member's own, under the group's policies as a ceiling.  Pure.

A group without a policy that is enforced is transparent: its members' policies alone decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ostiary_proxy import config
from ostiary_proxy.globs import Globs
from ostiary_proxy.pins import Book
from ostiary_proxy.rules import Group, Joined, Places, Rules, compile_rules


def compile_group(server: config.Server, books: Mapping[str, Book], places: Places) -> Rules:
    """`books`: by alias, what is known of the members' tools."""
    backend = server.backend
    assert isinstance(backend, config.GroupBackend)
    members = {
        member.alias: joined(server, member, books.get(member.alias)) for member in backend.members
    }
    bare = compile_rules(server.model_copy(update={"policies": ()}))
    return Rules(
        namespace=server.namespace,
        server=server.name,
        rules=(),
        denials=(),
        ceilings=(),
        exists=bare.exists,
        removed=bare.removed,
        effects=(),
        admits_anonymous=any(
            one.ceiling is not None and one.ceiling.admits_anonymous for one in members.values()
        ),
        group=Group(members, places),
    )


def joined(server: config.Server, member: config.Member, book: Book | None) -> Joined:
    """One member's part of the group's rules."""
    book, parts = book or Book(), parts_of(server, _approved(member))
    return Joined(
        own=compile_rules(parts.own, book),
        ceiling=None if parts.over is None else compile_rules(parts.over, book),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """One member's, before they are compiled: each as if it were a server by itself."""

    own: config.Server
    over: config.Server | None
    """With what the group's policies say of this member; None: nothing is enforced."""


def parts_of(server: config.Server, member: config.Member) -> Parts:
    capped = any(policy.mode == "Enforce" for policy in server.policies)
    own = _seen_as(server, member, tuple(map(_unwalled, member.policies)))
    over = _seen_as(server, member, tuple(_over(member.alias, it) for it in server.policies))
    return Parts(own, over if capped else None)


def _approved(member: config.Member) -> config.Member:
    """Under its pin a member lists to this gateway what stands approved, and less than all that it
    has: the digest of the whole would be another here.  The hints of what it lists count."""
    tools = member.tools
    if tools.pin.mode != "Enforce":
        return member
    taken = {"pin": config.Pin(), "trustAnnotations": True}
    return member.model_copy(update={"tools": tools.model_copy(update=taken)})


def _seen_as(
    server: config.Server, member: config.Member, policies: tuple[config.Policy, ...]
) -> config.Server:
    return server.model_copy(
        update={
            "namespace": member.namespace,
            "name": member.name,
            "tools": member.tools,
            "policies": policies,
        }
    )


def _unwalled(policy: config.Policy) -> config.Policy:
    """Less the anonymous entries that a network stands for: the gateway's is another one."""

    def cut(rule: config.Rule) -> config.Rule:
        left = tuple(subject for subject in rule.subjects if not subject.network)
        return rule.model_copy(update={"subjects": left})

    return policy.model_copy(update={"rules": tuple(map(cut, policy.rules))})


def _over(alias: str, policy: config.Policy) -> config.Policy:
    """The part of a group's policy that speaks of this member; what it denies, it denies of all."""
    rules = tuple(
        rule
        for rule in policy.rules
        if rule.allow.servers is None or Globs.compile(rule.allow.servers).match(alias)
    )
    return policy.model_copy(update={"rules": rules})
