"""What a gateway asks a member in its own name: who it is, what it has, and when that changes.

With its own projected token, which opens a member's lists and nothing else (architecture.md 6); in
the local role, where members are in this very process, with that process's own secret.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from ostiary_proxy import between
from ostiary_proxy.era import CAPABILITIES_KEY, INFO_KEY, LEGACY, VERSION, VERSION_KEY
from ostiary_proxy.exchange import Headers, Refused
from ostiary_proxy.handshake import INITIALIZED
from ostiary_proxy.http_request import mirrored
from ostiary_proxy.listening import KINDS
from ostiary_proxy.member_link import Answer, Errand, MemberAwayError, MemberLink
from ostiary_proxy.member_lists import AskError, Profile
from ostiary_proxy.message import Json, Message, decode, encode
from ostiary_proxy.observe import CLIENT
from ostiary_proxy.relay import is_stream, whole
from ostiary_proxy.sse import Decoder, TooLargeError
from ostiary_proxy.upstream import UpstreamError

ASK_SECONDS: Final = 10.0
"""How long a member may take over one question."""
LISTEN_SECONDS: Final = 3600.0
REFUSED: Final = "TokenRefused"
"""Reason of a member that does not take this gateway for one of its groups'."""
Identity = Callable[[], Headers]
"""The headers that say who asks."""
_IDENT: Final = "ostiary"


def by_token(path: Path) -> Identity:
    """A projected token: the kubelet renews the file."""

    def headers() -> Headers:
        try:
            token = path.read_bytes().strip()
        except OSError:
            return ()
        return ((b"authorization", b"Bearer " + token),)

    return headers


class MemberAsks:
    """One member, asked by one process."""

    def __init__(self, link: MemberLink, identity: Identity, process: str) -> None:
        """`process`: no other's, so that two gateways have no session in common."""
        self._link, self._identity, self._process = link, identity, process
        self._begun: set[Profile] = set()

    async def ask(self, profile: Profile, method: str, params: Json) -> Json:
        """The result.  Raises AskError."""
        response = await self._response(profile, method, params)
        result, error = response.get("result"), response.get("error")
        if isinstance(result, dict):
            return result
        code = error.get("code") if isinstance(error, dict) else None
        raise AskError("Refused", f"It answers {method} with the error {code}.", code=code)

    async def _response(self, profile: Profile, method: str, params: Json) -> Json:
        if profile.version not in LEGACY:
            return await self._post(profile, method, self._modern(profile, params))
        if method == "initialize" or profile not in self._begun:
            response = await self._begin(profile)
            if method == "initialize":
                return response
        return await self._post(profile, method, params)

    async def _begin(self, profile: Profile) -> Json:
        hello = {
            "protocolVersion": profile.version,
            "capabilities": decode(profile.capabilities),
            "clientInfo": CLIENT,
        }
        response = await self._post(profile, "initialize", hello)
        await self._told(profile, INITIALIZED)
        self._begun.add(profile)
        return response

    async def _told(self, profile: Profile, body: bytes) -> None:
        answer = await self._send(profile, body, ())
        try:
            await self._whole(answer)
        finally:
            answer.close()

    async def _post(
        self, profile: Profile, method: str, params: Json, *, again: bool = True
    ) -> Json:
        body: Json = {"jsonrpc": "2.0", "id": _IDENT, "method": method, "params": params}
        headers: Headers = ()
        if profile.version not in LEGACY:
            headers = mirrored(Message("request", _IDENT, method, params, body, b""))
        answer = await self._send(profile, encode(body), headers, handshake=method == "initialize")
        try:
            if answer.status == 404 and again and profile in self._begun:
                self._begun.discard(profile)
                await self._begin(profile)
                return await self._post(profile, method, params, again=False)
            return self._read(answer, await self._whole(answer), method)
        finally:
            answer.close()

    async def _send(
        self, profile: Profile, body: bytes, headers: Headers, *, handshake: bool = False
    ) -> Answer:
        lines = (*self._identity(), *headers)
        if not handshake:
            lines = (*lines, (VERSION, profile.version.encode()))
        key = self._key(profile) if profile.version in LEGACY else b""
        try:
            return await self._link.send(Errand(lines, body, key=key, looks=True), ASK_SECONDS)
        except MemberAwayError as err:
            raise AskError("Unreachable", "No pod of it can be reached.") from err
        except UpstreamError as err:
            raise AskError("NoAnswer", "It gives no answer.") from err

    async def _whole(self, answer: Answer) -> bytes:
        try:
            return await whole(answer.connection, ASK_SECONDS)
        except UpstreamError as err:
            raise AskError("NoAnswer", "Its answer breaks off.") from err
        except Refused as err:
            raise AskError("AnswerTooLarge", err.rejection.message) from err

    def _read(self, answer: Answer, raw: bytes, method: str) -> Json:
        if answer.status in (401, 403):
            why = "It does not take this gateway's token: does it (still) consent to this group?"
            raise AskError(REFUSED, why)
        found = _event(raw) if is_stream(answer.connection) else decode(raw) if raw else None
        if not isinstance(found, dict) or ("result" not in found and "error" not in found):
            why = f"It answers {method} with HTTP {answer.status}, and no JSON-RPC."
            raise AskError("Unavailable" if answer.status >= 500 else "NotMCP", why)
        if answer.status >= 500:
            raise AskError("Unavailable", f"It answers {method} with HTTP {answer.status}.")
        return found

    def _modern(self, profile: Profile, params: Json) -> Json:
        meta = {
            VERSION_KEY: profile.version,
            CAPABILITIES_KEY: decode(profile.capabilities),
            INFO_KEY: CLIENT,
        }
        return {**params, "_meta": meta}

    def _key(self, profile: Profile) -> bytes:
        own = f"{self._process}|{profile.version}|".encode() + profile.capabilities
        return between.legacy_key(self._link.member.uid, own)

    async def changes(self, profile: Profile) -> AsyncIterator[str]:
        """The methods of the changes that the member tells of, from its acknowledgement ("") on;
        until the stream ends.  Raises AskError."""
        wanted = {"notifications": dict.fromkeys(KINDS, True)}
        params = self._modern(profile, wanted)
        method = "subscriptions/listen"
        body: Json = {"jsonrpc": "2.0", "id": _IDENT, "method": method, "params": params}
        headers = mirrored(Message("request", _IDENT, method, params, body, b""))
        answer = await self._send(profile, encode(body), headers)
        decoder = Decoder()
        try:
            if not is_stream(answer.connection):
                self._read(answer, await self._whole(answer), method)
                return
            while (chunk := await answer.connection.chunk(LISTEN_SECONDS)) is not None:
                for event in decoder.feed(chunk):
                    data = decode(event.data) if event.data else None
                    said = data.get("method") if isinstance(data, dict) else None
                    if isinstance(said, str):
                        yield "" if said.endswith("/acknowledged") else said
        except (UpstreamError, TooLargeError):
            return
        finally:
            answer.close()


def _event(raw: bytes) -> object:
    """The response in a whole stream."""
    for event in Decoder().feed(raw):
        data = decode(event.data) if event.data else None
        if isinstance(data, dict) and "method" not in data:
            return data
    return None
