"""The Dockerfiles against what they must agree with.  Building them is for whoever has a builder;
their one step, the install script, makes the images of the end-to-end tests too."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from e2e.cluster.paths import ROOT

from ostiary_operator.api.container import PROXY_UID, SERVER_UID
from ostiary_operator.render.containers import SHIM_IN_IMAGE

HALVES: Final = {"proxy": PROXY_UID, "operator": SERVER_UID}


def instructions(half: str) -> list[tuple[str, str]]:
    text = (ROOT / half / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last(half: str, word: str) -> str:
    return [rest for found, rest in instructions(half) if found == word][-1]


@pytest.mark.parametrize("half", HALVES)
def test_an_image_starts_its_half_as_its_own_user(half: str) -> None:
    user = HALVES[half]

    assert last(half, "USER") == f"{user}:{user}"
    assert last(half, "ENV") == "PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1"
    assert json.loads(last(half, "ENTRYPOINT")) == [
        "/opt/ostiary/venv/bin/python3",
        "-m",
        f"ostiary_{half}",
    ]


def test_there_is_no_other_dockerfile() -> None:
    ours = {f"{half}/Dockerfile" for half in HALVES}
    folders = [it for it in ROOT.iterdir() if it.is_dir() and not it.name.startswith(".")]

    found = {path for folder in [ROOT, *folders] for path in folder.glob("**/*Dockerfile*")}

    assert {str(path.relative_to(ROOT)) for path in found if path.suffix != ".py"} == ours


@pytest.mark.parametrize("half", HALVES)
def test_an_image_takes_only_packages_whose_hashes_are_in_the_lock(half: str) -> None:
    """Security row 36.  Its one step that fetches is the script that both halves share."""
    script = (ROOT / half / "install-image.sh").read_text()
    shared = (ROOT / "proxy/install-python.sh").read_text().replace("\\\n", " ")
    installs = [line for line in shared.splitlines() if re.search(r"\bpip\b.* install\b", line)]

    assert f"{half}.txt" in script
    assert "install-python.sh" in script
    assert not re.search(r"\b(pip|uv|curl|wget)\b", script)
    assert installs
    for line in installs:
        assert {"--require-hashes", "--no-deps", "--requirement"} <= set(line.split())
        assert '"$src/requirements/$lock"' in line
    assert not re.search(r"\b(curl|wget|git)\b", shared)


@pytest.mark.parametrize("half", HALVES)
def test_an_image_is_made_by_its_install_script_alone(half: str) -> None:
    words = instructions(half)
    runs = [rest for word, rest in words if word == "RUN" and "apt-get" not in rest]
    install, check = runs

    assert install.endswith(f"sh /src/{half}/install-image.sh /src /image")
    assert check.startswith('["/opt/ostiary/venv/bin/python3", "-c", "import ostiary_')
    assert last(half, "COPY") == "--from=build /image/ /"


def test_the_shim_lies_where_the_init_container_starts_it() -> None:
    script = (ROOT / "proxy/install-image.sh").read_text()

    assert f'-o "$dest{SHIM_IN_IMAGE}"' in script
    assert f'cp "$SHIM" "$dest{SHIM_IN_IMAGE}"' in script


def test_the_builder_is_sent_what_the_scripts_read_and_little_else() -> None:
    sent = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    scripts = [ROOT / "proxy/install-python.sh", *(ROOT / h / "install-image.sh" for h in HALVES)]
    read = {found for path in scripts for found in sources(path)}

    assert read
    for path in read:
        assert any(path == one or path.startswith(f"{one}/") for one in sent), path
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def sources(script: Path) -> set[str]:
    """Paths below SRC that a script names, and the packages that it hands on."""
    text = script.read_text()
    named = set(re.findall(r'\$src/([A-Za-z][\w/.-]*\w)(?=["/)])', text))
    packages = set(re.findall(r" ((?:operator|proxy)/ostiary_\w+)", text))
    return {name for name in named | packages if name != "requirements"}
