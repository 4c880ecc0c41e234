"""The house's own rules: what no type checker or linter would notice."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "operator/ostiary_operator": "tests/operator",
    "operator/ostiary_cli": "tests/cli",
    "proxy/ostiary_proxy": "tests/proxy",
}
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", ["operator", "proxy"])
def test_a_folder_that_shadows_the_standard_library_is_never_a_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
    assert not list((ROOT / folder).rglob("test_*.py"))


def test_the_standard_librarys_operator_is_the_one_imported_at_the_root() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import collections, operator; print(operator.__file__)"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert not found.startswith(str(ROOT / "operator"))


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_the_proxy_starts_without_the_operators_and_the_sdks_imports() -> None:
    program = (
        "import sys, ostiary_proxy.__main__;"
        "print([m for m in ('kopf', 'kubernetes', 'mcp', 'httpx', 'yaml') if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout

    assert found.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_says_what_it_is_for_and_stays_short(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [
        f"{f.name} ({f.end_lineno - f.lineno + 1} lines)"
        for f in functions
        if f.end_lineno and f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION
    ]

    assert ast.get_docstring(tree), "open with a docstring: what it is for, what it does not do"
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert not long


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name != "__init__.py"], ids=relative)
def test_every_module_has_a_test_file(path: Path) -> None:
    """In the folder that mirrors its own: a namesake's tests elsewhere say nothing of it."""
    package = next(p for p in PACKAGES if path.is_relative_to(ROOT / p))
    inner = path.relative_to(ROOT / package)
    folder, stem = ROOT / PACKAGES[package] / inner.parent, path.stem.strip("_")
    # The longer name where another folder has tests of the shorter one.
    names = [f"test_{stem}.py", f"test_{'_'.join([*inner.parts[:-1], stem])}.py"]

    assert any((folder / name).is_file() for name in names), f"write {relative(folder / names[0])}"


def test_a_broad_except_stands_only_where_it_is_argued() -> None:
    broad = re.compile(r"except (Exception|BaseException)\b|except:\s")

    unargued = [
        f"{relative(p)}:{n}"
        for p in SOURCES
        for n, line in enumerate(p.read_text().splitlines(), 1)
        if broad.search(line) and "# " not in line
    ]

    assert not unargued


def test_nothing_names_a_registry_or_a_folder_of_one_machine() -> None:
    words = [
        "index" + "-url",
        "GOPROXY" + "=",
        '"resolved": ' + '"http',
        "/wo" + "rk/",
        "/ro" + "ot/",
    ]
    words += [
        "files.python" + "hosted",
        "pypi" + ".org/simple",
        "registry.npm" + "js",
        "proxy.go" + "lang",
    ]

    named = [
        f"{relative(p)}: {word}"
        for p in tracked()
        for word in words
        if word.encode() in p.read_bytes()
    ]

    assert not named


@pytest.mark.parametrize(
    "lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name
)
def test_a_lock_has_hashes_and_no_url(lock: Path) -> None:
    """Security row 36."""
    text = lock.read_text()

    assert "--hash=sha256:" in text
    assert "://" not in text
