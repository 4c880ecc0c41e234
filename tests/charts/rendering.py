"""`helm template` of our charts, as objects.  Needs helm, no cluster."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from e2e.cluster.paths import ROOT

CHARTS: Final = ROOT / "charts"
NAMESPACE: Final = "ostiary-system"
Object = dict[str, Any]


class Refused(AssertionError):
    """helm would not render.  The text is its stderr."""


def render(helm: Path, chart: str, *values: str) -> list[Object]:
    """Each of `values` as `--set` takes it."""
    sets = [word for value in values for word in ("--set", value)]
    command = [str(helm), "template", "ostiary", str(CHARTS / chart), "-n", NAMESPACE, *sets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pick(objects: Sequence[Object], kind: str, name: str = "") -> Object:
    """The one object of that kind (and name)."""
    (found,) = [
        found
        for found in objects
        if found["kind"] == kind and name in ("", found["metadata"]["name"])
    ]
    return found
