"""The extension module alone."""

import subprocess
import sys

from ostiary_proxy.cel_library import library


def test_it_evaluates() -> None:
    assert library().compile("args.a == 1").execute({"args": {"a": 1}}) is True


def test_no_command_line_comes_with_it() -> None:
    program = (
        "import sys; from ostiary_proxy.cel_library import library; "
        "library().compile('1 == 1').execute({});"
        "print([m for m in ('typer', 'rich', 'prompt_toolkit', 'cel.cli') if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout

    assert found.strip() == "[]"


def test_a_proxy_without_conditions_does_not_load_it() -> None:
    program = (
        "import sys, ostiary_proxy.__main__; from ostiary_proxy import cel_library;"
        "print(cel_library.library.cache_info().currsize)"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout

    assert found.strip() == "0"
