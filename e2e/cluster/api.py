"""The control plane alone, by hand: `up-api` and `down-api`.

It stays after the command ends.  The folder is `OSTIARY_API_STATE`, by default
one in the cache; the last line printed is the kubeconfig's path."""

import os
import shutil
import sys
import time
from pathlib import Path

from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.paths import Broken, Unavailable, cache_dir


def state_folder() -> Path:
    return Path(os.environ.get("OSTIARY_API_STATE") or cache_dir() / "api-state")


def up() -> None:
    began = time.monotonic()
    plane = ControlPlane(state_folder()).start()
    took = time.monotonic() - began
    print(f"the API server answers on {plane.url} ({took:.1f} s)", file=sys.stderr)
    print(plane.admin_kubeconfig)


def down() -> None:
    folder = state_folder()
    if folder.exists():
        ControlPlane(folder).stop()
        shutil.rmtree(folder)


def main(arguments: list[str]) -> int:
    actions = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in actions:
        print("usage: python -m e2e.cluster.api up|down", file=sys.stderr)
        return 2
    try:
        actions[arguments[0]]()
    except (Unavailable, Broken) as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
