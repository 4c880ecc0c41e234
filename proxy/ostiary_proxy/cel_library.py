"""The CEL library, of which only the extension module is loaded, and only when a rule has a `when`.

Importing the package would bring a command line's libraries with it: tens of megabytes that no
proxy needs.
"""

import importlib.util
from collections.abc import Mapping
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from typing import Any, Final, Protocol, cast

PACKAGE: Final = "cel"
MODULE: Final = "cel.cel"


class Program(Protocol):
    def execute(self, context: Mapping[str, Any]) -> object: ...


class Library(Protocol):
    def compile(self, expression: str) -> Program: ...


@cache
def library() -> Library:
    package = importlib.util.find_spec(PACKAGE)
    for folder in (package.submodule_search_locations if package else None) or ():
        found = FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec(MODULE)
        if found is not None and found.loader is not None:
            module = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
            return cast(Library, module)
    raise ImportError("common-expression-language is not installed: a proxy needs it for `when`")
