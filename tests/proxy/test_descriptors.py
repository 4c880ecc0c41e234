"""File descriptors: the limit that is raised, and what fits below it."""

import resource
import subprocess
import sys

from ostiary_proxy.descriptors import room

SCRIPT = """
import resource
from ostiary_proxy import descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
before = descriptors.room()
descriptors.raise_limit()
print(before, resource.getrlimit(resource.RLIMIT_NOFILE)[0], descriptors.room())
"""


def test_a_low_limit_is_raised_to_what_the_system_allows() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True).stdout

    before, soft, after = map(int, said.split())
    assert (before, soft) == (68, hard)
    assert after > before


def test_there_is_room_for_somebody() -> None:
    assert room() >= 1
