"""The access tokens that open one endpoint, by their hashes.

Form and checksum come first, then the hash is looked up; what was found is compared once more in
constant time.  A secret is never kept, and no answer says which of the steps it failed at.
"""

import hmac
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ostiary_proxy.callers import Caller
from ostiary_proxy.config import AccessToken
from ostiary_proxy.token_format import digest_of, is_whole

UNKNOWN: Final = "the access token is unknown here"
EXPIRED: Final = "the token has expired"


class AccessTokens:
    """Of one endpoint."""

    def __init__(self, tokens: Iterable[AccessToken] = ()) -> None:
        self._callers: dict[bytes, Caller] = {}
        self._through: dict[bytes, frozenset[str]] = {}
        """uids of groups: the only ways of a token that does not name the endpoint itself."""
        for token in tokens:
            digest = bytes.fromhex(token.sha256)
            if digest in self._callers:
                continue
            self._callers[digest] = _caller(token, digest)
            if token.groups:
                self._through[digest] = frozenset(token.groups)

    def find(
        self, raw: bytes, now: float, *, through: frozenset[str] = frozenset()
    ) -> Caller | str:
        """Why not, in a word.  `through`: uids of the groups whose gateways may stand at the
        address that the request came from; of no group: by itself."""
        if not is_whole(raw):
            return UNKNOWN
        digest = digest_of(raw)
        caller = self._callers.get(digest)
        if caller is None or not hmac.compare_digest(caller.proof, digest):
            return UNKNOWN
        ways = self._through.get(digest)
        if ways is not None and not ways & through:
            return UNKNOWN
        return EXPIRED if caller.expires <= now else caller

    def hold(self, proof: bytes, *, through: frozenset[str] = frozenset()) -> bool:
        """By its hash: is there such a token, and does it open this way?"""
        ways = self._through.get(proof)
        return proof in self._callers and (ways is None or bool(ways & through))


def _caller(token: AccessToken, digest: bytes) -> Caller:
    if token.user:
        found = Caller.user(token.user, expires=token.expires)
    else:
        found = Caller.token(token.namespace, token.name, token.expires)
    return replace(found, proof=digest)
