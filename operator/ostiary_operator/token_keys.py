"""The public keys of one issuer as they come and go.  Pure: no clock, no network.

A key goes only after every good fetch of ten minutes lacked it; a failed fetch is not told of here
and so drops nothing.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

DROP_AFTER_SECONDS: Final = 600.0
PUBLIC_MEMBERS: Final = frozenset({"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"})
"""All that checks a signature: no private member, and no certificate chain, is ever shipped."""
MOST_KEYS: Final = 64
"""Of one issuer; those beyond are left out, in the order that the issuer lists them."""
LONGEST_KEY: Final = 4096
"""Bytes as JSON: an RSA key of 16,384 bits has fewer."""

Key = dict[str, Any]


class TokenKeys:
    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._absent: dict[str, float] = {}

    @property
    def all(self) -> tuple[Key, ...]:
        return tuple(self._keys[kid] for kid in sorted(self._keys))

    def lack(self, key_ids: Iterable[str]) -> bool:
        return any(kid not in self._keys for kid in key_ids)

    def remember(self, keys: Iterable[Mapping[str, Any]]) -> None:
        """Keys that were good before this process began; those we have are newer."""
        for key in keys:
            self._keys.setdefault(str(key.get("kid", "")), dict(key))

    def take(self, keys: Iterable[object], now: float) -> None:
        """A good fetch brought these."""
        listed = _usable(keys)
        self._keys |= listed
        for kid in list(self._keys):
            if kid in listed:
                self._absent.pop(kid, None)
            elif now - self._absent.setdefault(kid, now) >= DROP_AFTER_SECONDS:
                del self._keys[kid], self._absent[kid]


def _usable(keys: Iterable[object]) -> dict[str, Key]:
    found: dict[str, Key] = {}
    for raw in keys:
        if not isinstance(raw, Mapping) or not isinstance(raw.get("kid"), str) or not raw["kid"]:
            continue
        if raw.get("use", "sig") != "sig" or len(found) >= MOST_KEYS:
            continue
        key = {name: raw[name] for name in raw if name in PUBLIC_MEMBERS}
        if len(json.dumps(key)) <= LONGEST_KEY:
            found.setdefault(raw["kid"], key)
    return found
