"""The cluster, through `kubectl`: its own context, its own credentials, whatever they are.

One command at a time; what it says when it fails is what the person is told.
"""

import json
import os
import shutil
import subprocess
from typing import Any, Final

from .endpoint import IMPOSSIBLE, WRONG, CallFailed

PROGRAM: Final = "kubectl"
SECONDS: Final = 60


def kubectl(*words: str, given: str | None = None) -> str:
    """Blocking.  Raises CallFailed."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise CallFailed(
            f"{PROGRAM} is not on the PATH: the cluster is reached through it. With -f DIR a "
            "folder of manifests takes the cluster's place.",
            code=IMPOSSIBLE,
        )
    try:
        done = subprocess.run(
            [program, *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=dict(os.environ),
        )
    except subprocess.TimeoutExpired as err:
        raise CallFailed(f"{PROGRAM} did not answer within {SECONDS} s.", code=IMPOSSIBLE) from err
    if done.returncode:
        said = done.stderr.strip() or f"{PROGRAM} failed"
        raise CallFailed(said, code=WRONG if "is invalid" in said else IMPOSSIBLE)
    return done.stdout


def read(*words: str) -> Any:
    """Raises CallFailed."""
    return json.loads(kubectl(*words, "-o", "json"))


def own_namespace() -> str:
    """Of the current context."""
    found = kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}").strip()
    return found or "default"


def own_name() -> str:
    """As the API server knows whoever asks."""
    return str(read("auth", "whoami")["status"]["userInfo"]["username"])
