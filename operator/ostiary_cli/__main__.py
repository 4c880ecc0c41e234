"""`ostiary`: reads the command line and hands over.

Exit codes: 0 done; 1 the tool says that it failed; 2 the command line or the manifests are wrong;
3 it cannot be done now: not reachable, refused, a port or a folder that cannot be had.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .terminal import shown

WRONG: Final = 2
IMPOSSIBLE: Final = 3
INTERRUPTED: Final = 130
DEFAULT_PORT: Final = 8931
EPILOG: Final = (
    "exit codes: 0 done; 1 the tool says that it failed; 2 the command line or the manifests are "
    "wrong; 3 it cannot be done now (not reachable, refused, a port or a folder that cannot be had)"
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="ostiary", description="MCP servers behind a door.", epilog=EPILOG
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _up(commands)
    _tools(commands)
    _call(commands)
    return top


def _up(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = commands.add_parser(
        "up",
        help="run the servers of a folder on this machine",
        description="Runs the MCPServers of a folder on this machine, behind their policies, until "
        "Ctrl-C. Reads *.yaml, *.yml and *.json in DIR itself, not below it, and takes edits at "
        "once. `command` is started as your own user, in DIR unless workingDir says otherwise; "
        "images are not pulled. The development key lies in DIR/.ostiary.",
        epilog=EPILOG,
    )
    up.add_argument("folder", metavar="DIR", type=Path)
    _up_options(up)


def _up_options(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="port on 127.0.0.1 (default %(default)s; 0: any that is free)",
    )
    up.add_argument(
        "--as",
        dest="principals",
        action="append",
        metavar="PRINCIPAL",
        help="mint a development token for this subject, for example "
        "system:serviceaccount:agents:planner; repeatable (default: "
        "system:serviceaccount:default:developer)",
    )
    up.add_argument(
        "--output",
        choices=("table", "json"),
        default="table",
        help="json: one line on stdout once every server answered or had 30 s, and nothing else "
        "there, ever",
    )
    up.add_argument(
        "--call",
        dest="sample",
        nargs="+",
        default=(),
        metavar=("SERVER TOOL", "key=value"),
        help="make one call once all is there, and print it",
    )


def _endpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", metavar="URL")
    command.add_argument("--token", help="bearer token (default: the environment's OSTIARY_TOKEN)")
    command.add_argument("--output", choices=("text", "json"), default="text")


def _tools(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _endpoint(
        commands.add_parser("tools", help="list what you may call at an endpoint", epilog=EPILOG)
    )


def _call(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    call = commands.add_parser("call", help="call one tool of an endpoint", epilog=EPILOG)
    _endpoint(call)
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("pairs", metavar="key=value", nargs="*")
    call.add_argument("--json", dest="given", metavar="OBJECT", help="the arguments as JSON")


def read(argv: Sequence[str] | None) -> argparse.Namespace:
    """argparse gives up on words after an option; for `call` they are arguments all the same."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    if rest and (arguments.command != "call" or any(word.startswith("-") for word in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.pairs = [*arguments.pairs, *rest]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = read(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("ostiary.server").setLevel(logging.INFO)  # what the servers themselves write
    logging.getLogger("ostiary.backends").setLevel(logging.ERROR)  # `up` says it in a sentence
    try:
        if arguments.command == "up":
            return _run_up(arguments)
        return _run_client(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run_up(arguments: argparse.Namespace) -> int:
    from .devtoken import DEFAULT_PRINCIPAL, KeyUnusable, namespace_of
    from .up import Options, up

    principals = tuple(dict.fromkeys(arguments.principals or (DEFAULT_PRINCIPAL,)))
    for principal in principals:
        if namespace_of(principal) is None:
            return _fail(
                f"--as {principal}: write system:serviceaccount:<namespace>:<name>, for example "
                f"{DEFAULT_PRINCIPAL}",
                WRONG,
            )
    if not 0 <= arguments.port <= 65535:
        return _fail("--port: write a number from 0 to 65535", WRONG)
    if len(arguments.sample) == 1:
        return _fail("--call: write SERVER TOOL key=value...", WRONG)
    options = Options(
        folder=arguments.folder,
        port=arguments.port,
        principals=principals,
        as_json=arguments.output == "json",
        sample=tuple(arguments.sample),
    )
    try:
        return asyncio.run(up(options))
    except KeyUnusable as err:
        return _fail(str(err), IMPOSSIBLE)


def _run_client(arguments: argparse.Namespace) -> int:
    from . import call

    as_json = arguments.output == "json"
    try:
        endpoint = call.Endpoint(arguments.url, call.token_given(arguments.token))
        if arguments.command == "tools":
            return asyncio.run(call.show_tools(endpoint, as_json=as_json, out=sys.stdout))
        return asyncio.run(
            call.show_call(
                endpoint,
                arguments.tool,
                arguments.pairs,
                arguments.given,
                as_json=as_json,
                out=sys.stdout,
            )
        )
    except call.CallFailed as err:
        return _fail(str(err), err.code)


def _fail(message: str, code: int) -> int:
    print(shown(message), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
