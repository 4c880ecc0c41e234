"""What a group's list costs, of 100 members with 20 tools each: `make bench`.

Figures are processor time of one thread, as in `bench.policy`; nothing here waits for a member.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.policy import say

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.group_items import Listed, ListMemo, admitted
from ostiary_proxy.group_lists import Asked, page
from ostiary_proxy.group_names import group_names
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_rules import compile_group
from ostiary_proxy.member_lists import BASE, Item, MemberLists
from ostiary_proxy.tool_search import search

MEMBERS, TOOLS = 100, 20
CALLERS = 200
ABOUT = "Says what the weather of the next days will be, for a place that is named or found. " * 4


def member(number: int) -> config.Member:
    """Admits two callers of three."""
    names = tuple(f"agent-*{digit}" for digit in range(10) if (digit + number) % 3)
    subject = config.Subject(kind="serviceAccount", names=names, namespaces=("agents",))
    rule = config.Rule(name="r", subjects=(subject,), allow=config.Allow(tools=("*",)))
    policy = config.Policy(namespace="tools", name="p", rules=(rule,))
    alias = f"m{number}"
    return config.Member(alias=alias, namespace="tools", name=alias, uid=alias, policies=(policy,))


def tool(number: int) -> Item:
    properties = {f"argument{one}": {"type": "string"} for one in range(5)}
    name = f"get_thing_{number}"
    schema = {"type": "object", "properties": properties}
    return Item(name, {"name": name, "description": ABOUT, "inputSchema": schema})


def group() -> tuple[Callable[[Caller], Asked], dict[str, MemberLists]]:
    backend = config.GroupBackend(members=tuple(map(member, range(MEMBERS))))
    server = config.Server(
        namespace="agents",
        name="everyday",
        uid="g",
        url="http://everyday-group.agents.svc/mcp",
        audiences=(),
        hosts=(),
        backend=backend,
    )
    rules = compile_group(server, {}, GroupPlaces(backend))
    tools = tuple(map(tool, range(TOOLS)))
    lists = {one.alias: MemberLists({}, {"tools/list": tools}) for one in backend.members}
    names = group_names(backend, {one: it.names("tools/list") for one, it in lists.items()}, {})

    def asked(caller: Caller) -> Asked:
        def seal(body: bytes) -> str:
            return body.hex()

        return Asked(
            "tools/list", caller, rules, names, backend, BASE, seal=seal, unseal=bytes.fromhex
        )

    return asked, lists


async def timed(once: Callable[[int], Awaitable[object]], times: int) -> Sequence[float]:
    """Microseconds of each."""
    found = []
    for number in range(times):
        started = time.thread_time_ns()
        await once(number)
        found.append((time.thread_time_ns() - started) / 1000)
    return found


def caller(number: int) -> Caller:
    return Caller.service_account("agents", f"agent-{number}")


async def lists() -> None:
    asked, known = group()
    memo = ListMemo()

    async def listed(one: Caller, memo: ListMemo) -> bytes:
        about = asked(one)
        found: list[Listed] = [
            (alias, known[alias], "Ready") for alias in await admitted(one, about.rules, memo)
        ]
        return await page(about, {}, found, memo)

    async def cold(_: int) -> object:
        return await listed(caller(0), ListMemo())

    say("a group's first list (nothing written yet)", await timed(cold, 20))
    await listed(caller(0), memo)
    fresh = await timed(lambda number: listed(caller(number + 1), memo), CALLERS)
    say("a caller's first list", fresh)
    say("a known caller's list", await timed(lambda _: listed(caller(0), memo), 1_000))
    items = [(f"{alias}_{it.name}", ABOUT) for alias in known for it in map(tool, range(TOOLS))]
    found = await timed(lambda _: search("weather of a place", items, 10), 20)
    say("find_tools, where every tool has something to do with it", found)
    found = await timed(lambda _: search("open pull request", items, 10), 20)
    say("find_tools, where none has", found)


if __name__ == "__main__":
    print(f"A group of {MEMBERS} members with {TOOLS} tools each")
    asyncio.run(lists())
