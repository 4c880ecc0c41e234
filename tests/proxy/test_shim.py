"""The shim is Go; its tests, its vetting and its format run with everybody else's."""

import shutil
import subprocess

import pytest
from e2e.cluster.paths import ROOT, Unavailable


@pytest.mark.parametrize(
    "words",
    [("gofmt", "-l", "."), ("go", "vet", "./..."), ("go", "test", "-count=1", "./...")],
    ids=" ".join,
)
def test_the_shim_passes(words: tuple[str, ...]) -> None:
    if not shutil.which(words[0]):
        raise Unavailable("the shim's tests need Go 1.22 or newer in PATH")

    done = subprocess.run(
        words, cwd=ROOT / "proxy/shim", capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert words[0] != "gofmt" or not done.stdout
