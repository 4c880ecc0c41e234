"""What the Python clients of the matrix have in common; their environments share no SDK.

A line of JSON for each feature that is tried: what came, or why it failed.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

SECONDS = 120
"""That one feature may take."""


async def try_all(
    features: Iterable[str],
    tries: Mapping[str, Callable[[Any, Any], Awaitable[Any]]],
    session: object,
    heard: object,
) -> None:
    for feature in features:
        try:
            async with asyncio.timeout(SECONDS):
                line = {"feature": feature, "said": await tries[feature](session, heard)}
        except Exception as err:  # noqa: BLE001 -- each feature by itself
            line = {"feature": feature, "failed": f"{type(err).__name__}: {err}"}
        print(json.dumps(line), flush=True)
