"""What our own proxies say to each other beside ordinary MCP: three headers, made and read here.

A group's gateway sends its members the caller's own Authorization and, with it:

    Ostiary-Session: <32 lower-case hex digits>

the 128 bits that a caller's session, or a modern caller's process, is held under at the member.
There it counts under (verified caller, key) alone; a key that is not known there is answered 404.
It is taken from the addresses of a group that the member consents to, and from nobody else: 400.

In the local role both sides are one process, and no address tells them apart from anybody else on
this machine.  There a gateway says who it is by a secret that never leaves the process, in the
place of its address:

    Ostiary-Internal: <uid of the group>.<64 lower-case hex digits>
    Ostiary-Catalogue: 1

The second, beside the first and without an Authorization, stands for the gateway's own token: it
reads the lists and nothing else.  Both mean nothing in any other role.  No header of these ever
reaches a backend.  No I/O.
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

SESSION_HEADER: Final = b"ostiary-session"
INTERNAL_HEADER: Final = b"ostiary-internal"
CATALOGUE_HEADER: Final = b"ostiary-catalogue"
KEY_BYTES: Final = 16

Header = tuple[bytes, bytes]

_KEY: Final = re.compile(rb"[0-9a-f]{32}")
_SECRET_BYTES: Final = 32
_YES: Final = b"1"


# what a gateway says


def legacy_key(server: str, nonce: bytes) -> bytes:
    """Of a legacy session.  `server`: the uid of the group, or of the server; `nonce`: of the
    session's sealed id."""
    return _key((server.encode(), nonce))


def modern_key(principal: bytes, capabilities: bytes, version: str) -> bytes:
    """Of a modern caller.  `principal`: its digest; `capabilities`: of its client, as JSON."""
    return _key((principal, capabilities, version.encode()))


def _key(parts: Iterable[bytes]) -> bytes:
    # Each part by its own hash: no two lists of parts run together into one.
    joined = b"".join(sha256(part).digest() for part in parts)
    return sha256(joined).digest()[:KEY_BYTES].hex().encode()


def session_header(key: bytes) -> Header:
    return (SESSION_HEADER, key)


def internal_headers(uid: str, secret: str, *, catalogue: bool = False) -> tuple[Header, ...]:
    """Local role.  `uid`: of the group; `secret`: `Runtime.internal`; `catalogue`: for the lists,
    without anybody's Authorization."""
    own = (INTERNAL_HEADER, f"{uid}.{secret}".encode())
    return (own, (CATALOGUE_HEADER, _YES)) if catalogue else (own,)


def new_secret() -> str:
    return secrets.token_hex(_SECRET_BYTES)


# what a member reads


def is_key(value: bytes) -> bool:
    return _KEY.fullmatch(value) is not None


def internal_group(headers: Mapping[bytes, bytes], secret: str) -> str:
    """The uid of the group whose gateway, in this very process, sent it; empty: none did.

    Whether the role and the address allow it at all is for the caller to see to."""
    uid, _, shown = headers.get(INTERNAL_HEADER, b"").rpartition(b".")
    if not secret or not hmac.compare_digest(shown, secret.encode()):
        return ""
    return uid.decode("latin-1")


def asks_for_lists(headers: Mapping[bytes, bytes]) -> bool:
    """It stands for the gateway itself, if `internal_group` says that it may."""
    return headers.get(CATALOGUE_HEADER) == _YES and b"authorization" not in headers
