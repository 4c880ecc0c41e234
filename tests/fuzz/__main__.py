"""`make fuzz`: the target under atheris, which gets the words of the command line."""

import sys

import atheris

with atheris.instrument_imports(include=["ostiary_proxy"]):
    from tests.fuzz.target import one

atheris.Setup(sys.argv, one)
atheris.Fuzz()
