"""The command line of `ostiary token`."""

import argparse
from pathlib import Path


def add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    token = commands.add_parser(
        "token",
        help="make, list and revoke access tokens",
        description="Access tokens of a cluster, through kubectl and its current context, or with "
        "-f of a folder that `ostiary up` runs. A token opens what it is made for, as far as "
        "policies there name it.",
    )
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    _create(actions)
    listing = actions.add_parser("list", help="list them; secrets are stored nowhere")
    _place(listing)
    listing.add_argument("-A", "--all-namespaces", dest="every", action="store_true")
    listing.add_argument("--output", choices=("table", "json"), default="table")
    revoking = actions.add_parser("revoke", help="end a token, and all that it holds open")
    revoking.add_argument("name", metavar="NAME")
    _place(revoking)


def _create(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = actions.add_parser(
        "create",
        help="make a token, and print it once",
        description="Makes an MCPAccessToken and prints the token, once, on stdout; only its hash "
        "is stored. Without --personal or --user the token is an account of its own, which "
        "policies name under `tokens`.",
    )
    create.add_argument("name", metavar="NAME")
    create.add_argument(
        "--for",
        dest="opens",
        action="append",
        default=[],
        metavar="SERVER",
        help="what it opens: SERVER, NAMESPACE/SERVER, or NAMESPACE/* for all there; repeatable; "
        "this or --for-group is needed",
    )
    create.add_argument(
        "--for-group",
        dest="groups",
        action="append",
        default=[],
        metavar="GROUP",
        help="an MCPGroup that it opens, written alike: its members too, through the group alone; "
        "repeatable",
    )
    create.add_argument(
        "--expires", default="90d", metavar="SPAN", help="90d, 12h or a time (default %(default)s)"
    )
    whose = create.add_mutually_exclusive_group()
    whose.add_argument(
        "--personal", action="store_true", help="it speaks for you, as the cluster knows you"
    )
    whose.add_argument("--user", metavar="NAME", help="it speaks for this person")
    _place(create)


def _place(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--namespace", metavar="NAMESPACE")
    command.add_argument(
        "-f",
        "--folder",
        type=Path,
        metavar="DIR",
        help="a folder of manifests in place of the cluster",
    )
