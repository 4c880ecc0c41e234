"""The handshake with a child: the proxy's own, or anew for a session whose process is gone."""

from typing import Final

from ostiary_proxy.channel import Call, Channel
from ostiary_proxy.exchange import Refused, failed
from ostiary_proxy.mailbox import one
from ostiary_proxy.message import Json, decode, encode
from ostiary_proxy.session import Session, unknown_session

INITIALIZED: Final = encode({"jsonrpc": "2.0", "method": "notifications/initialized"})
REMIND_SECONDS: Final = 5.0
"""How long a child may take over each thing that it is told again."""


async def shake(channel: Channel, hello: Json, seconds: float) -> Json:
    """The response to `initialize`, less its id."""
    response = await answer(channel, "initialize", hello, seconds)
    return {key: value for key, value in response.items() if key != "id"}


async def begin(channel: Channel, hello: Json, version: str, seconds: float) -> Json:
    """Shake hands at the revision that the client was told; the result."""
    response = await shake(channel, hello, seconds)
    if negotiated(response) != version:
        # The server is another one by now: its client has to begin anew itself.
        raise Refused(unknown_session())
    channel.send(INITIALIZED)
    result: Json = response["result"]
    return result


async def remind(channel: Channel, session: Session) -> None:
    """Tell a child again what another one was told in this session."""
    for method, params in session.reminders:
        try:
            await answer(channel, method, params, REMIND_SECONDS)
        except Refused:
            if not channel.alive:
                raise


async def answer(channel: Channel, method: str, params: Json, seconds: float) -> Json:
    """What the child says to a request of the proxy's own."""
    call = channel.ask(method, params)
    try:
        return await _wait(call, seconds)
    finally:
        channel.drop(call)


async def _wait(call: Call, seconds: float) -> Json:
    letter = await one(call, seconds)
    if letter is not None:
        data = decode(letter.data)
        return data if isinstance(data, dict) else {}
    if call.ended is not None:
        why = "The server's process ended during the handshake."
        raise Refused(failed(502, why, "Broken"))
    raise Refused(failed(504, "The server did not answer in time.", "NoAnswer"))


def negotiated(response: Json) -> str | None:
    """The revision; None when the handshake failed."""
    result = response.get("result")
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if isinstance(version, str) else None
