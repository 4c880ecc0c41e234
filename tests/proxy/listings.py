"""Lists of a group's members without the members: what they said, and who may see it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ostiary_proxy import config
from ostiary_proxy.group_items import Listed, ListMemo, admitted
from ostiary_proxy.group_lists import Asked, page
from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_rules import compile_group
from ostiary_proxy.member_lists import BASE, Item, MemberLists, Profile
from ostiary_proxy.policy import Caller, Rules
from ostiary_proxy.seal import Sealer

PLANNER = Caller.service_account("agents", "planner")
STRANGER = Caller.service_account("shop", "stranger")
ALL = config.Allow(tools=("*",), prompts=("*",), resources=("*",))


def grant(*names: str, allow: config.Allow = ALL) -> config.Policy:
    """To accounts of the namespace agents."""
    subject = config.Subject(kind="serviceAccount", names=names, namespaces=("agents",))
    rule = config.Rule(name="r", subjects=(subject,), allow=allow)
    return config.Policy(namespace="tools", name=f"for-{names[0]}", rules=(rule,))


def member(alias: str, *policies: config.Policy) -> config.Member:
    own = policies or (grant("*"),)
    return config.Member(alias=alias, namespace="tools", name=alias, uid=alias, policies=own)


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}} | more


def tools(*names: str) -> MemberLists:
    return listed("tools/list", [tool(name) for name in names])


def listed(method: str, items: Iterable[dict[str, Any]]) -> MemberLists:
    key = {"resources/list": "uri", "resources/templates/list": "uriTemplate"}.get(method, "name")
    return MemberLists({}, {method: tuple(Item(item[key], item) for item in items)})


def numbered(start: int, stop: int) -> list[str]:
    return [f"t{number:05}" for number in range(start, stop)]


def sealer() -> Sealer:
    return Sealer({1: b"m" * 32}, now=lambda: 1_800_000_000.0, process_nonce=b"n" * 16)


@dataclass
class Door:
    """One way into a group."""

    members: list[config.Member]
    lists: dict[str, MemberLists | None]
    group: Mapping[str, Any] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    memo: ListMemo = field(default_factory=ListMemo)
    sealer: Sealer = field(default_factory=sealer)
    rules: Rules = field(init=False)
    names: GroupNames = field(init=False)

    def __post_init__(self) -> None:
        self.changed()

    @property
    def backend(self) -> config.GroupBackend:
        return config.GroupBackend(members=tuple(self.members), **self.group)

    def changed(self) -> None:
        """Members, their rules or their lists are others now."""
        server = config.Server(
            namespace="agents",
            name="everyday",
            uid="g",
            url="http://everyday-group.agents.svc/mcp",
            audiences=(),
            hosts=(),
            backend=self.backend,
        )
        self.rules = compile_group(server, {}, GroupPlaces(self.backend))
        heard = {alias: one for alias, one in self.lists.items() if one is not None}
        self.names = group_names(
            self.backend,
            {alias: one.names("tools/list") for alias, one in heard.items()},
            {alias: one.names("prompts/list") for alias, one in heard.items()},
        )

    def asked(
        self, caller: Caller = PLANNER, method: str = "tools/list", profile: Profile = BASE
    ) -> Asked:
        return Asked(
            method,
            caller,
            self.rules,
            self.names,
            self.backend,
            profile,
            seal=lambda body: self.sealer.seal(b"cursor", b"g", body),
            unseal=lambda text: self.sealer.unseal(b"cursor", b"g", text),
        )

    async def admitting(self, caller: Caller) -> Sequence[Listed]:
        """As the group's endpoint asks: members that do not admit the caller are left out."""
        return [
            (alias, self.lists.get(alias), self.states.get(alias, "Ready"))
            for alias in await admitted(caller, self.rules, self.memo)
        ]

    async def page(
        self, caller: Caller = PLANNER, method: str = "tools/list", **params: Any
    ) -> dict[str, Any]:
        asked = self.asked(caller, method)
        raw = await page(asked, params, await self.admitting(caller), self.memo)
        result: dict[str, Any] = orjson.loads(raw)
        return result

    async def shown(self, caller: Caller = PLANNER, method: str = "tools/list") -> list[str]:
        """All pages."""
        key = {"resources/list": "uri", "resources/templates/list": "uriTemplate"}.get(
            method, "name"
        )
        found: list[str] = []
        params: dict[str, Any] = {}
        while True:
            result = await self.page(caller, method, **params)
            (items,) = (value for value in result.values() if isinstance(value, list))
            found += [item[key] for item in items]
            if "nextCursor" not in result:
                return found
            params = {"cursor": result["nextCursor"]}
