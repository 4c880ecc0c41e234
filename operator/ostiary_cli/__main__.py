"""`ostiary`: reads the command line and hands over.

Exit codes: 0 done; 1 the tool says that it failed; 2 the command line or the manifests are wrong;
3 it cannot be done now: not reachable, refused, a port or a folder that cannot be had.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary_proxy import VERSION

from .access.arguments import COMMANDS, add_access
from .endpoint import DEFAULT_PORT, IMPOSSIBLE, WRONG, CallFailed, Endpoint, local_url, token_given
from .terminal import shown
from .token_arguments import add_token
from .trail.arguments import TRAIL, add_trail

INTERRUPTED: Final = 130
EPILOG: Final = (
    "exit codes: 0 done; 1 the tool says that it failed; 2 the command line or the manifests are "
    "wrong; 3 it cannot be done now (not reachable, refused, a port or a folder that cannot be had)"
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="ostiary", description="MCP servers behind a door.", epilog=EPILOG
    )
    top.add_argument("--version", action="version", version=f"ostiary {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _up(commands)
    _tools(commands)
    _call(commands)
    _stdio(commands)
    add_token(commands)
    add_access(commands)
    add_trail(commands)
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
        help="json: one line on stdout once every server answered or had 5 minutes, and nothing "
        "else there, ever",
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
    command.add_argument(
        "url",
        metavar="URL|NAME",
        help="an endpoint, or one of the running `ostiary up`: time, agents/everyday-group",
    )
    command.add_argument("--token", help="bearer token (default: the environment's OSTIARY_TOKEN)")
    _port(command)
    command.add_argument("--output", choices=("text", "json"), default="text")


def _tools(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    tools = commands.add_parser(
        "tools", help="list what you may call at an endpoint", epilog=EPILOG
    )
    _endpoint(tools)
    tools.add_argument(
        "--digests",
        action="store_true",
        help="of an MCPServer of the cluster, [NAMESPACE/]NAME in place of URL: print the "
        "spec.tools.pin that approves its tools as they stand",
    )
    tools.add_argument(
        "-n", "--namespace", default="", help="of NAME, with --digests (default: the context's)"
    )


def _call(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    call = commands.add_parser("call", help="call one tool of an endpoint", epilog=EPILOG)
    _endpoint(call)
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("pairs", metavar="key=value", nargs="*")
    call.add_argument("--json", dest="given", metavar="OBJECT", help="the arguments as JSON")


def _stdio(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    stdio = commands.add_parser(
        "stdio",
        help="be a local server that passes everything on to an endpoint",
        description="For a client that can only start a program: passes its JSON-RPC lines on to "
        "an endpoint, and the endpoint's answers back, in whichever revision the client speaks. "
        "Nothing else is ever written to stdout; what is wrong is said on stderr.",
        epilog=EPILOG,
    )
    stdio.add_argument(
        "endpoint",
        metavar="URL|NAME",
        help="an endpoint, or a server of the running `ostiary up`: time, default/time",
    )
    stdio.add_argument("--token", help="bearer token (default: the environment's OSTIARY_TOKEN)")
    _port(stdio)


def _port(command: argparse.ArgumentParser) -> None:
    what = "port of `ostiary up`, for NAME (default %(default)s)"
    command.add_argument("--port", type=int, default=DEFAULT_PORT, help=what)


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
        if arguments.command == "stdio":
            return _run_stdio(arguments)
        if arguments.command == "token":
            return _run_token(arguments)
        if arguments.command == "tools" and arguments.digests:
            return _run_digests(arguments)
        if arguments.command in COMMANDS:
            return _run_access(arguments)
        if arguments.command in TRAIL:
            return _run_trail(arguments)
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


def _run_stdio(arguments: argparse.Namespace) -> int:
    from . import stdio

    try:
        url = local_url(arguments.endpoint, arguments.port)
        return stdio.run(Endpoint(url, token_given(arguments.token)))
    except CallFailed as err:
        return _fail(str(err), err.code)


def _run_token(arguments: argparse.Namespace) -> int:
    from . import token

    try:
        for line in token.run(arguments, datetime.now(UTC)):
            print(line)
    except CallFailed as err:
        return _fail(str(err), err.code)
    return 0


def _run_digests(arguments: argparse.Namespace) -> int:
    from . import digests

    try:
        for line in digests.run(arguments.url, arguments.namespace):
            print(line)
    except CallFailed as err:
        return _fail(str(err), err.code)
    return 0


def _run_access(arguments: argparse.Namespace) -> int:
    from .access import run

    try:
        return run.run(arguments, datetime.now(UTC))
    except CallFailed as err:
        return _fail(str(err), err.code)


def _run_trail(arguments: argparse.Namespace) -> int:
    from .trail import run

    try:
        return run.run(arguments)
    except CallFailed as err:
        return _fail(str(err), err.code)


def _run_client(arguments: argparse.Namespace) -> int:
    from . import call

    as_json = arguments.output == "json"
    try:
        url = local_url(arguments.url, arguments.port)
        endpoint = Endpoint(url, token_given(arguments.token))
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
    except CallFailed as err:
        return _fail(str(err), err.code)


def _fail(message: str, code: int) -> int:
    print(shown(message), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
