"""The issuers of a folder's settings while `ostiary up` runs: their keys are fetched and followed,
and the person at the keyboard is told when that fails, and when it no longer does.
"""

from collections.abc import Callable

from ostiary_proxy.runtime import Runtime

from .inforce import InForce


async def follow_logins(state: InForce, runtime: Runtime, tell: Callable[[str], None]) -> None:
    """For ever."""
    told: dict[str, str] = {}
    logins = state.logins

    def look() -> None:
        if runtime.snapshot is not None:
            logins.look_again(runtime.snapshot.verifier.unknown_kids)

    async def settled() -> None:
        troubles = logins.troubles
        for name, trouble in troubles.items():
            if told.get(name) != trouble:
                tell(f"The keys of issuer {name} were not fetched, and are tried again: {trouble}.")
        held = {it.name for it in logins.issuers}
        for name in sorted(told.keys() & held - troubles.keys()):
            tell(f"The keys of issuer {name} are here.")
        told.clear()
        told.update(troubles)

    stop = runtime.subscribe(look)
    try:
        await logins.run(state.refresh, settled)
    finally:
        stop()
