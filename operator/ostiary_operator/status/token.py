"""The status of an MCPAccessToken: is it accepted, what does it open, where is it in force."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ostiary_operator.api import MCPAccessToken, Reason, Type
from ostiary_operator.token_book import Refusal

from .conditions import Verdict, write
from .observed import Enforcement


def token_status(
    token: MCPAccessToken,
    *,
    refusal: Refusal | None,
    opens: int,
    enforced: Sequence[Enforcement],
    previous: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """`opens`: what it is restricted to; `enforced`: of each of these, and of a group's members."""
    generation = token.metadata.generation
    pods, taking = sum(it.pods for it in enforced), sum(it.enforcing for it in enforced)
    accepted = Verdict("True", Reason.ACCEPTED)
    if refusal is not None:
        accepted = Verdict("False", refusal.reason, refusal.message)
    complete = all(it.complete for it in enforced)
    programmed = Verdict(
        "True" if complete else "False",
        Reason.PROGRAMMED if complete else Reason.PARTIALLY_PROGRAMMED,
        f"{taking} of {pods} pods take it",
    )
    expired = token.spec.expires <= now.timestamp()
    verdicts = {
        Type.READY: _ready(accepted, programmed, expired=expired, opens=opens, token=token),
        Type.ACCEPTED: accepted,
        Type.PROGRAMMED: programmed,
    }
    if refusal is not None:
        verdicts[Type.STALLED] = Verdict("True", Reason.INVALID_SPEC, refusal.message)
    return {
        "observedGeneration": generation,
        "opens": opens,
        "enforced": f"{taking}/{pods}",
        "conditions": write(
            verdicts,
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def _ready(
    accepted: Verdict, programmed: Verdict, *, expired: bool, opens: int, token: MCPAccessToken
) -> Verdict:
    if not accepted.holds:
        return Verdict("False", Reason.INVALID, accepted.message)
    if expired:
        ended = datetime.fromtimestamp(token.spec.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Verdict("False", Reason.EXPIRED, f"it ended at {ended}: delete it")
    if not programmed.holds:
        return Verdict("False", Reason.PROGRESSING, programmed.message)
    if not opens:
        named = f'users: {{names: ["{token.spec.user}"]}}' if token.spec.user else "tokens"
        return Verdict(
            "True",
            Reason.POLICY_MISSING,
            f"opens nothing yet: no policy of what it is restricted to names it ({named})",
        )
    return Verdict("True", Reason.READY)
