"""Sealed strings that only the proxies of one server can open: legacy session ids and the like.

Key = HKDF(master, purpose, UTC day, a nonce of the process that sealed), AES-256-GCM, the purpose
and the caller's associated data authenticated.  Several masters are held while keys rotate: the
first seals, each opens.  No files are read here but by `held_keys`.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary_proxy.config import SessionKey

MASTER_BYTES: Final = 32
PROCESS_NONCE_BYTES: Final = 16
LONGEST_TOKEN: Final = 2048
"""A longer string is not looked at."""
DAY_SECONDS: Final = 86400
LIVES_DAYS: Final = 7
"""What was sealed longer ago stays closed, whatever its content says."""
DERIVED_KEPT: Final = 256

_FORMAT: Final = 1
_HEAD: Final = 4 + PROCESS_NONCE_BYTES  # format, key number, day; the process nonce
_GCM_NONCE: Final = 12
_GCM_TAG: Final = 16


class NoKeyError(Exception):
    """Nothing can be sealed: no master of this server is held."""


class Sealer:
    """Seals and opens with the masters of one server."""

    def __init__(
        self,
        masters: Mapping[int, bytes],
        *,
        now: Callable[[], float],
        process_nonce: bytes,
        awaited: Iterable[int] = (),
    ) -> None:
        """`masters`: by number, the one that seals first; `awaited`: numbers of others that belong
        to the server and are not here."""
        if len(process_nonce) != PROCESS_NONCE_BYTES:
            raise ValueError(f"a process nonce has {PROCESS_NONCE_BYTES} bytes")
        self._masters = dict(masters)
        self._awaited = frozenset(awaited) - self._masters.keys()
        self._now = now
        self._process_nonce = process_nonce
        self._derived: dict[tuple[int, int, bytes, bytes], AESGCM] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which masters are held."""
        return tuple(self._masters)

    @property
    def complete(self) -> bool:
        """Whatever a sibling seals opens here."""
        return not self._awaited

    def awaits(self, token: str) -> bool:
        """It may have been sealed with a master that is not here yet."""
        raw = _decode(token)
        return raw is not None and len(raw) > _HEAD and raw[1] in self._awaited

    def seal(self, purpose: bytes, aad: bytes, payload: bytes) -> str:
        """URL-safe, visible ASCII; 48 bytes longer than the payload before base64."""
        if not self._masters:
            raise NoKeyError
        number = next(iter(self._masters))
        day = int(self._now()) // DAY_SECONDS
        head = bytes((_FORMAT, number)) + day.to_bytes(2, "big") + self._process_nonce
        nonce = os.urandom(_GCM_NONCE)
        key = self._remembered(number, day, purpose, self._process_nonce)
        sealed = key.encrypt(nonce, payload, _associated(purpose, head, aad))
        return urlsafe_b64encode(head + nonce + sealed).rstrip(b"=").decode()

    def unseal(self, purpose: bytes, aad: bytes, token: str) -> bytes | None:
        """None for whatever was not sealed here, for this, in the last days."""
        raw = _decode(token)
        if raw is None or len(raw) < _HEAD + _GCM_NONCE + _GCM_TAG or raw[0] != _FORMAT:
            return None
        number, day = raw[1], int.from_bytes(raw[2:4], "big")
        today = int(self._now()) // DAY_SECONDS
        # One day ahead: another replica's clock may have passed midnight already.
        if number not in self._masters or not today - LIVES_DAYS <= day <= today + 1:
            return None
        head, nonce = raw[:_HEAD], raw[_HEAD : _HEAD + _GCM_NONCE]
        known = self._derived.get((number, day, purpose, head[4:]))
        key = known or self._derive(number, day, purpose, head[4:])
        try:
            payload = key.decrypt(nonce, raw[_HEAD + _GCM_NONCE :], _associated(purpose, head, aad))
        except InvalidTag:
            return None
        self._remember((number, day, purpose, head[4:]), key)
        return payload

    def _remembered(self, number: int, day: int, purpose: bytes, nonce: bytes) -> AESGCM:
        known = self._derived.get((number, day, purpose, nonce))
        if known is None:
            known = self._derive(number, day, purpose, nonce)
            self._remember((number, day, purpose, nonce), known)
        return known

    def _remember(self, name: tuple[int, int, bytes, bytes], key: AESGCM) -> None:
        # Only keys that opened something get here, so a forger cannot push the others out.
        if name not in self._derived and len(self._derived) >= DERIVED_KEPT:
            del self._derived[next(iter(self._derived))]
        self._derived[name] = key

    def _derive(self, number: int, day: int, purpose: bytes, nonce: bytes) -> AESGCM:
        info = b"ostiary seal|" + purpose + b"|" + str(day).encode()
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=nonce, info=info)
        return AESGCM(hkdf.derive(self._masters[number]))


def held_keys(keys: Iterable[SessionKey], folder: Path) -> dict[int, bytes]:
    """The masters whose file is there and matches the hash in the config, in the config's order."""
    held: dict[int, bytes] = {}
    for key in keys:
        try:
            master = (folder / str(key.number)).read_bytes()
        except OSError:
            continue
        digest = sha256(master).hexdigest()
        if len(master) == MASTER_BYTES and hmac.compare_digest(digest, key.sha256):
            held[key.number] = master
    return held


def _associated(purpose: bytes, head: bytes, aad: bytes) -> bytes:
    return len(purpose).to_bytes(2, "big") + purpose + head + aad


def _decode(token: str) -> bytes | None:
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    # Python's decoder skips what is no base64 and ignores stray bits: one id has one spelling.
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == token else None
