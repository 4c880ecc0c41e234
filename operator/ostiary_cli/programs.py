"""What to install when the program of a server is not on this machine.

Looks a name up, and advises; installs and runs nothing.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ADVICE: Final = {
    ("npx", "npm", "node"): "install Node.js, which brings it",
    ("uvx", "uv"): "install uv, for example with `pipx install uv`",
    ("python", "python3"): "install Python 3",
    ("docker", "podman"): "`ostiary up` runs programs, not images: name the program itself",
    ("bun", "bunx"): "install Bun",
    ("deno",): "install Deno",
    ("java",): "install a Java runtime",
    ("go",): "install Go",
    ("dotnet",): "install .NET",
}


def search_path(environment: Mapping[str, str]) -> str:
    """PATH of the children: programs installed beside `ostiary` itself are found first."""
    beside = str(Path(sys.executable).parent)
    rest = environment.get("PATH", os.defpath)
    return rest if beside in rest.split(os.pathsep) else f"{beside}{os.pathsep}{rest}"


def what_to_install(program: str, *, path: str, folder: Path) -> str:
    """A sentence, or nothing when the program is there."""
    if os.sep in program:
        found = folder / program
        if not found.exists():
            return f"{program} does not exist here: write a program's name, or where it is"
        return "" if os.access(found, os.X_OK) else f"{program} is not executable: chmod +x it"
    if shutil.which(program, path=path):
        return ""
    known = next((advice for names, advice in ADVICE.items() if program in names), "")
    advice = known or (
        f"install it with the installer it is published for, such as `pipx install {program}` or "
        f"`npm install --global {program}`"
    )
    return f"{program} is not on the PATH: {advice}"
