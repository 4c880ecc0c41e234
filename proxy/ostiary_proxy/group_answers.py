"""What a group says itself: who it is, what its members have, and which of it fits a question."""

from typing import Final

from ostiary_proxy.exchange import Exchange, Headers, Refused
from ostiary_proxy.gateway import Gateway
from ostiary_proxy.group_hello import hello
from ostiary_proxy.group_items import Shown, admitted
from ostiary_proxy.group_lists import Asked, ListError, ListMemo, allowed, page
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_search import found, searches, told
from ostiary_proxy.group_shapes import GroupBackend
from ostiary_proxy.member_lists import Profile
from ostiary_proxy.message import Json, Message, Rejection, decode, encode
from ostiary_proxy.policy import Caller
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.tool_search import DEFINITIONS, FIND, Query, search, unwrap
from ostiary_proxy.tool_search import asked as query_of

CURSOR: Final = b"ostiary group cursor"
"""Purpose of the key that cursors are sealed with."""


class GroupAnswers:
    """Of one way into a group."""

    def __init__(self, uid: str, gateway: Gateway, places: GroupPlaces) -> None:
        self._uid = uid
        self._gateway, self._places = gateway, places
        self._memo = ListMemo()

    @property
    def _names(self) -> GroupNames:
        """As they are just now."""
        return self._places.names

    async def hello(self, exchange: Exchange, profile: Profile, *, modern: bool) -> Json:
        assert exchange.endpoint is not None
        server = exchange.endpoint.server
        listed = await self._gateway.lists(profile, await self._admitted(exchange))
        return hello(
            [(alias, lists) for alias, lists, _ in listed],
            group=f"{server.namespace}/{server.name}",
            sole=self._names.sole is not None,
            modern=modern,
            version=profile.version,
        )

    async def _admitted(self, exchange: Exchange) -> list[str]:
        assert exchange.endpoint is not None
        assert exchange.caller is not None
        return await admitted(exchange.caller, exchange.endpoint.rules, self._memo)

    async def listed(self, exchange: Exchange, message: Message, profile: Profile) -> None:
        endpoint, caller = exchange.endpoint, exchange.caller
        assert endpoint is not None
        assert caller is not None
        if message.method == "tools/list" and searches(exchange):
            await reply(exchange, message, _two(modern=profile.modern))
            return
        try:
            lists = await self._gateway.lists(profile, await self._admitted(exchange))
            asked = self._asked(message.method, endpoint, caller, profile)
            result = await page(asked, message.params, lists, self._memo)
        except ListError as err:
            raise Refused(_unlisted(exchange, message, err)) from err
        body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (encode(message.id), result)
        await exchange.reply(200, body)

    def _asked(self, method: str, endpoint: Endpoint, caller: Caller, profile: Profile) -> Asked:
        group = endpoint.server.backend
        assert isinstance(group, GroupBackend)
        sealer, purpose = endpoint.sealer, self._uid.encode()
        return Asked(
            method,
            caller,
            endpoint.rules,
            self._names,
            group,
            profile,
            seal=lambda body: sealer.seal(CURSOR, purpose, body),
            unseal=lambda text: sealer.unseal(CURSOR, purpose, text),
        )

    async def search(self, exchange: Exchange, message: Message, profile: Profile) -> None:
        """A call of one of the two tools that stand for all others."""
        modern = exchange.spoken is not None and exchange.spoken.era == "modern"
        if message.params["name"] == FIND:
            query = query_of(message.params.get("arguments"))
        else:
            wrong = unwrap(message.params)
            query = wrong if isinstance(wrong, str) else ""
        if isinstance(query, str):
            await reply(exchange, message, told(query, modern=modern))
            return
        tools = await self._found(exchange, message, profile, query)
        await reply(exchange, message, found(tools, modern=modern))

    async def _found(
        self, exchange: Exchange, message: Message, profile: Profile, query: Query
    ) -> list[Json]:
        """The best, as a list would have them, of those that this caller may call."""
        shown = await self._allowed(exchange, message, profile)
        by_name = {item.name: item for item in shown}
        texts = ((item.name, _described(item.own.data)) for item in shown)
        best = await search(query.text, texts, query.limit)
        return [decode(by_name[name].raw) for name in best]

    async def _allowed(self, exchange: Exchange, message: Message, profile: Profile) -> list[Shown]:
        endpoint, caller = exchange.endpoint, exchange.caller
        assert endpoint is not None
        assert caller is not None
        lists = await self._gateway.lists(profile, await self._admitted(exchange))
        asked = self._asked("tools/list", endpoint, caller, profile)
        try:
            return await allowed(asked, lists, self._memo)
        except ListError as err:
            raise Refused(_unlisted(exchange, message, err)) from err


def _two(*, modern: bool) -> Json:
    """The list of a group that is searched."""
    result: Json = {"tools": list(DEFINITIONS)}
    return (
        {**result, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if modern
        else result
    )


def _described(tool: Json) -> str:
    words = (tool.get("title"), tool.get("description"))
    return " ".join(word for word in words if isinstance(word, str))


def _unlisted(exchange: Exchange, message: Message, err: ListError) -> Rejection:
    modern = exchange.spoken is not None and exchange.spoken.era == "modern"
    status = 400 if modern else 200
    return Rejection(status, err.code, err.message, id=message.id, reason="NoList")


async def reply(exchange: Exchange, message: Message, result: Json, headers: Headers = ()) -> None:
    await exchange.reply(
        200, encode({"jsonrpc": "2.0", "id": message.id, "result": result}), headers
    )
