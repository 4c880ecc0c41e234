"""What clients of the era that a server does not speak itself do without: the cells of protocol.md
6.12 that cannot be filled.  docs/reference/protocol.md says of each word why, and what happens.
"""

from typing import Final

TASKS: Final = "Tasks"
MODERN_CLIENTS_LACK: Final = (
    TASKS,
    "RequestsOutsideCalls",
    "CallOfARequest",
    "ElicitationIds",
    "ProgressOfAnswers",
)
"""Where the server speaks the handshake era alone."""
LEGACY_CLIENTS_LACK: Final = (TASKS, "StructuredContentOfOtherTypes")
"""Where the server speaks the stateless era alone."""


def not_bridged(*, legacy: bool, modern: bool) -> tuple[str, ...]:
    """By the eras that the server itself speaks; nothing where it speaks both, or neither yet."""
    if legacy and not modern:
        return MODERN_CLIENTS_LACK
    if modern and not legacy:
        return LEGACY_CLIENTS_LACK
    return ()
