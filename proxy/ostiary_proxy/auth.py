"""Who is calling: the Authorization header to a `Caller`, or to a refusal.

Verified tokens are kept by their SHA-256 until they expire; a new config brings a new `Verifier`,
and with it an empty memory.  Tokens not seen before may cost a fifth of the loop's time together.
Whether the caller may do anything is `policy`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ostiary_proxy.access_tokens import AccessTokens
from ostiary_proxy.callers import Caller
from ostiary_proxy.config import Issuer
from ostiary_proxy.principals import caller_of
from ostiary_proxy.token_format import is_ours
from ostiary_proxy.tokens import LONGEST_TOKEN, BadToken, Token, Trusted, read, trust

REMEMBERED_TOKENS: Final = 8192
SHARE_OF_LOOP: Final = 0.2
"""Of wall time, for tokens that are not in memory."""
SAVED_SECONDS: Final = 0.5
"""How much of that may be saved up: the burst after a start or a change of config."""
MOST_UNKNOWN_KIDS: Final = 8
LONGEST_KID: Final = 128
RETRY_SECONDS: Final = 1
CHALLENGE: Final = b"Bearer"
BAD_TOKEN_CHALLENGE: Final = b'Bearer error="invalid_token"'

NO_TOKENS: Final = AccessTokens()
_ANONYMOUS: Final = Caller.anonymous()


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    """401, or 503 when checking the token would cost too much now."""
    reason: str
    """A sentence for the caller and the audit."""
    challenge: bytes = b""
    """Value of WWW-Authenticate; empty with 503."""
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    audiences: frozenset[str]
    """Where the token is good; the issuer's own are among them when it bears one."""
    anywhere: bool
    """It bears an audience that the issuer makes good for every endpoint."""
    kind: str


class Verifier:
    """Verifies tokens against the issuers of one config."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        on_unknown_kid: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock`: the time of day; `timer`: what effort is measured with."""
        self._trusted: Mapping[str, Trusted] = trust(issuers)
        known = [it.issuer for it in self._trusted.values()]
        self._others = frozenset(it.name for it in known if it.name and not it.primary)
        self._clock = clock
        self._timer = timer
        self._on_unknown_kid = on_unknown_kid
        self._known: dict[bytes, _Known] = {}
        self._saved = SAVED_SECONDS
        self._saved_at = timer()
        self._unknown_kids: list[str] = []

    @property
    def unknown_kids(self) -> tuple[str, ...]:
        """Keys of known issuers that we were not given: the operator looks again."""
        return tuple(self._unknown_kids)

    def verify(
        self,
        authorization: bytes | None,
        audiences: frozenset[str],
        anonymous_ok: bool,
        *,
        kind: str = "",
        tokens: AccessTokens = NO_TOKENS,
        through: frozenset[str] = frozenset(),
    ) -> Caller | Refusal:
        """`kind`: only issuers of that kind count; empty: all that the config names.  `tokens`:
        access tokens of ours that are good there, `through` the groups of these uids."""
        if authorization is None:
            if anonymous_ok:
                return _ANONYMOUS
            return Refusal(401, "A bearer token is required.", CHALLENGE)
        scheme, _, token = authorization.partition(b" ")
        token = token.strip(b" ")
        if scheme.lower() != b"bearer" or not token:
            return Refusal(401, "Authorization must be a bearer token.", CHALLENGE)
        if len(token) > LONGEST_TOKEN:
            return _refused("the token is longer than 16 KiB")
        if is_ours(token):
            found_token = tokens.find(token, self._clock(), through=through)
            return found_token if isinstance(found_token, Caller) else _refused(found_token)
        known = self._known.get(sha256(token).digest())
        if known is None:
            found = self._check(token, audiences)
            if isinstance(found, Refusal):
                return found
            known = found
        return self._admit(known, audiences, kind)

    def _admit(self, known: _Known, audiences: frozenset[str], kind: str) -> Caller | Refusal:
        if known.caller.expires <= self._clock():
            return _refused("the token has expired")
        if not (known.anywhere or known.audiences & audiences):
            return _refused("the token is for another audience")
        if kind and known.kind != kind:
            return _refused("the token's issuer is not trusted here")
        return known.caller

    def _check(self, token: bytes, audiences: frozenset[str]) -> _Known | Refusal:
        started = self._timer()
        self._saved = min(SAVED_SECONDS, self._saved + (started - self._saved_at) * SHARE_OF_LOOP)
        self._saved_at = started
        if self._saved <= 0:
            return Refusal(503, "Too many new tokens at once.", retry_after=RETRY_SECONDS)
        try:
            result = read(token, self._trusted, audiences, self._clock())
            if isinstance(result, BadToken):
                self._note_kid(result.unknown_kid)
                return _refused(result.why)
            caller = caller_of(result, self._others)
        finally:
            self._saved -= self._timer() - started
        if isinstance(caller, BadToken):
            return _refused(caller.why)
        return self._remember(token, result, caller)

    def _remember(self, token: bytes, result: Token, caller: Caller) -> _Known:
        known = _Known(
            caller=caller,
            audiences=result.audiences,
            anywhere=bool(result.audiences & frozenset(result.trusted.issuer.audiences)),
            kind=result.trusted.issuer.kind,
        )
        if len(self._known) >= REMEMBERED_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[sha256(token).digest()] = known
        return known

    def _note_kid(self, kid: str) -> None:
        if not kid or len(kid) > LONGEST_KID or not kid.isprintable():
            return
        if kid in self._unknown_kids or len(self._unknown_kids) >= MOST_UNKNOWN_KIDS:
            return
        self._unknown_kids.append(kid)
        self._on_unknown_kid()


def _refused(why: str) -> Refusal:
    return Refusal(401, f"Not accepted: {why}.", BAD_TOKEN_CHALLENGE)
