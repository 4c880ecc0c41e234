"""One OIDC issuer of the settings: its keys, as proxies need them to verify offline.

Fetched every minute, and at once (at most every half minute) when a proxy reports a key that it
does not know.  A failed fetch drops nothing and ends nothing: it is logged and counted, and the
keys that were good stay.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ostiary_proxy.config import Issuer

from .discovery import discover
from .fetch import Fetcher, FetchFailed
from .token_keys import TokenKeys
from .trusted_issuers import TrustedIssuer

FETCH_SECONDS: Final = 60.0
SOONEST_SECONDS: Final = 30.0

OnResult = Callable[[str, str, int], None]
"""Told of each fetch: the issuer's name, ok or failed, and how many keys are held now."""

log = logging.getLogger(__name__)


class OidcIssuer:
    def __init__(
        self,
        settings: TrustedIssuer,
        *,
        fetcher: Fetcher,
        clock: Callable[[], float],
        on_result: OnResult = lambda name, result, keys: None,
    ) -> None:
        self.settings = settings
        self.fetcher = fetcher
        self._clock = clock
        self._on_result = on_result
        self._keys = TokenKeys()
        self._fetched = float("-inf")
        self._asked = False
        self.trouble = ""
        """Why the last fetch failed; empty: it did not."""
        self.has_answered = False
        """At least once."""

    @property
    def issuer(self) -> Issuer:
        said = self.settings
        return Issuer(
            kind="oidc",
            issuer=said.url,
            audiences=said.audiences,
            keys=self._keys.all,
            name=said.name,
            primary=said.primary,
            usernameClaim=said.usernameClaim,
            groupsClaim=said.groupsClaim,
        )

    @property
    def due(self) -> float:
        """When to look next, by the clock."""
        return self._fetched + (SOONEST_SECONDS if self._asked else FETCH_SECONDS)

    def remember(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys.remember(keys)

    def look_again(self, key_ids: Iterable[str]) -> bool:
        """True: that is news."""
        if self._asked or not self._keys.lack(key_ids):
            return False
        self._asked = True
        return True

    async def fetch(self) -> None:
        self._fetched, self._asked = self._clock(), False
        try:
            keys = await discover(self.settings.url, self.fetcher.json)
        except FetchFailed as err:
            self._count("failed")
            self.trouble = str(err)
            log.warning(
                "an issuer's keys were not fetched: those that were good stay",
                extra={"issuer": self.settings.name, "reason": self.trouble},
            )
            return
        self.trouble, self.has_answered = "", True
        self._keys.take(keys, self._clock())
        self._count("ok")
        if not self._keys.all:
            log.warning(
                "an issuer lists no key that could check a signature",
                extra={"issuer": self.settings.name},
            )

    def _count(self, result: str) -> None:
        self._on_result(self.settings.name, result, len(self._keys.all))
