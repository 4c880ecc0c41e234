"""Whether the cluster makes sure that a personal token is made by its own user, and since when.

Looks at the chart's admission policy and its binding every half minute: both must be there, and
deny.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from .cluster import ApiError, Cluster, Missing
from .resources import ADMISSION_BINDINGS, ADMISSION_POLICIES, TOKENS, Manifest

NAME: Final = "ostiary-token-users"
LOOK_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


class Vouching:
    def __init__(self, *, cluster: Cluster, changed: Callable[[], None]) -> None:
        self._cluster = cluster
        self._changed = changed
        self.since: datetime | None = None
        """None: personal tokens are anybody's."""

    async def look(self) -> None:
        """Raises ApiError."""
        before, self.since = self.since, await self._found()
        if self.since != before:
            log.info("personal tokens", extra={"accepted": self.since is not None})
            self._changed()

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except ApiError as err:
                log.warning("the admission policy was not seen", extra={"reason": err.message})

    async def _found(self) -> datetime | None:
        try:
            policy = await self._cluster.get(ADMISSION_POLICIES, "", NAME)
            binding = await self._cluster.get(ADMISSION_BINDINGS, "", NAME)
        except Missing:
            return None
        if not (_judges_tokens(policy) and _denies(binding)):
            return None
        return max(_created(policy), _created(binding))


def _judges_tokens(policy: Manifest) -> bool:
    spec = policy["spec"]
    rules = (spec.get("matchConstraints") or {}).get("resourceRules") or ()
    return (
        spec.get("failurePolicy", "Fail") == "Fail"
        and bool(spec.get("validations"))
        and any(TOKENS.plural in rule.get("resources", ()) for rule in rules)
    )


def _denies(binding: Manifest) -> bool:
    spec = binding["spec"]
    return (
        spec.get("policyName") == NAME
        and "Deny" in spec.get("validationActions", ())
        and not spec.get("matchResources", {}).get("namespaceSelector")
    )


def _created(manifest: Manifest) -> datetime:
    return datetime.fromisoformat(manifest["metadata"]["creationTimestamp"]).astimezone(UTC)
