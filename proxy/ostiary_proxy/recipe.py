"""What a legacy session id holds: how to begin the session anew, wherever that has to be.

An id is a sealed recipe of at most 1 KiB: nonce, principal, revision, capabilities, client, birth,
and the pod that owns it.  It never holds the backend's own id, and nothing that lives.  No I/O.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Final

from ostiary_proxy.message import Json, decode, encode
from ostiary_proxy.policy import Caller
from ostiary_proxy.seal import Sealer

PURPOSE: Final = b"session"
LIVES_SECONDS: Final = 7 * 24 * 3600
LONGEST_ID: Final = 1024
NONCE_BYTES: Final = 16
LONGEST_NAME: Final = 64
"""Of a client, and of its version."""
SPARED: Final = ("experimental", "extensions")
"""Capabilities that go first when a client says too much of itself for an id."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The pod that holds what is alive of a session."""

    uid: str
    address: str


@dataclass(frozen=True, slots=True)
class Recipe:
    nonce: bytes
    principal: bytes
    version: str
    """As negotiated."""
    born: float
    owner: Owner
    capabilities: Json
    client: Json

    @property
    def hello(self) -> Json:
        """The parameters of the handshake that begins it anew."""
        return {
            "protocolVersion": self.version,
            "capabilities": self.capabilities,
            "clientInfo": self.client,
        }


def write(params: Json, version: str, caller: Caller, owner: Owner, now: float) -> Recipe:
    """`params`: of the client's own handshake."""
    given, info = params.get("capabilities"), params.get("clientInfo")
    return Recipe(
        nonce=os.urandom(NONCE_BYTES),
        principal=caller.digest,
        version=version,
        born=now,
        owner=owner,
        capabilities=given if isinstance(given, dict) else {},
        client=_named(info if isinstance(info, dict) else {}),
    )


def _named(info: Json) -> Json:
    return {key: str(info.get(key) or "unknown")[:LONGEST_NAME] for key in ("name", "version")}


def seal(recipe: Recipe, sealer: Sealer, server: str) -> str:
    """`server`: the uid that the id is good for."""
    ident = ""
    for capabilities in _shorter(recipe.capabilities):
        body: Json = {
            "n": urlsafe_b64encode(recipe.nonce).decode(),
            "p": urlsafe_b64encode(recipe.principal).decode(),
            "v": recipe.version[:LONGEST_NAME],
            "b": int(recipe.born),
            "o": recipe.owner.uid,
            "a": recipe.owner.address,
            "c": capabilities,
            "i": recipe.client,
        }
        ident = sealer.seal(PURPOSE, server.encode(), encode(body))
        if len(ident) <= LONGEST_ID:
            break
    return ident


def _shorter(capabilities: Json) -> tuple[Json, ...]:
    """What a client says of itself at length is what can be spared."""
    known = {key: value for key, value in capabilities.items() if key not in SPARED}
    bare: Json = {key: {} for key in known if len(key) <= LONGEST_NAME}
    return (capabilities, known, bare, {})


def shortened(recipe: Recipe) -> Recipe:
    """One that no id is made of, held to what an id could hold."""
    fitting = (it for it in _shorter(recipe.capabilities) if len(encode(it)) <= LONGEST_ID)
    return replace(recipe, capabilities=next(fitting, {}), version=recipe.version[:LONGEST_NAME])


def unseal(ident: str, caller: Caller, sealer: Sealer, server: str, now: float) -> Recipe | None:
    """None for a forged one, another principal's, another server's, and one that is too old."""
    payload = sealer.unseal(PURPOSE, server.encode(), ident)
    if payload is None:
        return None
    recipe = _read(decode(payload))
    if recipe is None or recipe.principal != caller.digest:
        return None
    return recipe if now - recipe.born <= LIVES_SECONDS else None


def _read(body: Json) -> Recipe | None:
    """None: an older or newer proxy wrote something else."""
    try:
        return Recipe(
            nonce=urlsafe_b64decode(body["n"]),
            principal=urlsafe_b64decode(body["p"]),
            version=body["v"],
            born=body["b"],
            owner=Owner(body["o"], body["a"]),
            capabilities=body["c"],
            client=body["i"],
        )
    except KeyError:
        return None
