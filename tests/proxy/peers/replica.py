"""A sidecar's process whose cluster DNS is a hosts file: `python replica.py HOSTS`.

A line of the file: a name, then its addresses.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

from ostiary_proxy.sidecar import Environment, serve

HOSTS = Path(sys.argv[1])


async def resolve(name: str) -> frozenset[str]:
    for line in (await asyncio.to_thread(HOSTS.read_text)).splitlines():
        first, *addresses = line.split()
        if first == name:
            return frozenset(addresses)
    raise OSError(f"no such name: {name}")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    asyncio.run(serve(Environment.read(os.environ), resolve))
