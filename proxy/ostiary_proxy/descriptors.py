"""How many files this process may have open, and how many callers fit into that.

A call needs two descriptors, the caller's connection and often one to the server.  Where they run
out, nothing can be accepted any more, not even the probe of the kubelet: callers are turned away
before that.
"""

import resource
from typing import Final

RESERVED: Final = 64
"""For listeners, keys, the config's watch, the admin port, the system's own."""
PER_CALLER: Final = 2


def raise_limit() -> None:
    """To what the system allows.  Not where children are started, who would inherit it: programs
    that use select(2) break beyond 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def room() -> int:
    """Callers' connections that can be served at once; at least one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 30
    return max(1, (soft - RESERVED) // PER_CALLER)
