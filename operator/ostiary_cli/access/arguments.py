"""The command lines of the answers.  Imports next to nothing: every command loads it."""

import argparse
from pathlib import Path
from typing import Final

FORMS: Final = "system:serviceaccount:NAMESPACE:NAME, user:NAME, token:NAMESPACE:NAME or anonymous"
VERBS: Final = ("call", "read", "get")
COMMANDS: Final = ("who-can", "can-i", "allow", "review", "diff")


def add_access(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _who_can(commands)
    _can_i(commands)
    _allow(commands)
    _review(commands)
    _diff(commands)


def _who_can(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    it = commands.add_parser(
        "who-can",
        help="say who may call a tool, and by which rule",
        description="Every subject that may call a tool, read a resource or get a prompt, by which "
        "policy and rule, on what condition, and from where the NetworkPolicy lets it connect.",
        epilog="exit codes: 0 done; 2 the command line or the manifests are wrong; 3 the cluster "
        "cannot be read",
    )
    _question(it)
    _where(it)


def _can_i(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    it = commands.add_parser(
        "can-i",
        help="say whether somebody may, and what is missing if not",
        description="Whether somebody may call a tool, read a resource or get a prompt: the answer "
        "of the proxy's own function, with the policy and rule that decide.",
        epilog="exit codes: 0 yes; 1 no; 2 it cannot be said",
    )
    _question(it)
    it.add_argument("--as", dest="who", required=True, metavar="WHO", help=FORMS)
    it.add_argument(
        "--groups", nargs="+", default=[], metavar="GROUP", help="of a user, as the issuer has them"
    )
    it.add_argument(
        "--claims",
        nargs="+",
        default=[],
        metavar="CLAIM=VALUE",
        help="of a user's token; iss=URL is its issuer (default: the primary one of the settings)",
    )
    it.add_argument(
        "--args",
        metavar="JSON",
        help="the arguments of the call, for conditions (default: any that would do)",
    )
    _where(it)


def _question(it: argparse.ArgumentParser) -> None:
    it.add_argument("verb", choices=VERBS, help="call a tool, read a resource, get a prompt")
    it.add_argument("name", metavar="NAME", help="of the tool or prompt; of a resource, its URI")
    it.add_argument(
        "--server", metavar="NAME", help="the MCPServer (default: every one of the namespace)"
    )
    it.add_argument(
        "--via",
        metavar="[NAMESPACE/]GROUP",
        help="through this MCPGroup: NAME is the group's, or the member's own, and then -n and "
        "--server say which member (default: every one)",
    )


def _allow(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    it = commands.add_parser(
        "allow",
        help="print the policy to commit",
        description="Prints the MCPAccessPolicy that lets somebody in; nothing is applied. What "
        "would refuse them all the same is said on stderr.",
        epilog="exit codes: 0 done; 2 the command line or the manifests are wrong",
    )
    it.add_argument("server", metavar="SERVER")
    it.add_argument(
        "--to", action="append", required=True, metavar="WHO", help=f"{FORMS}; repeatable"
    )
    for option, what in (("tools", "get_*"), ("resources", "note://*"), ("prompts", "*")):
        it.add_argument(
            f"--{option}", nargs="+", default=[], metavar="PATTERN", help=f"for example '{what}'"
        )
    _where(it)


def _review(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    it = commands.add_parser(
        "review",
        help="list what deserves a second look",
        description="Anonymous rules, open egress, wildcards, old tokens and their like, the worst "
        "first, each with what to write instead.",
        epilog="exit codes: 0 done, whatever was found; 2 the command line or the manifests are "
        "wrong; 3 the cluster cannot be read",
    )
    it.add_argument("-A", "--all-namespaces", dest="every", action="store_true")
    _where(it)


def _diff(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    it = commands.add_parser(
        "diff",
        help="say who gains or loses what between two folders",
        description="Who gains or loses which tools, resources and prompts between two folders of "
        "manifests, without a cluster. What cannot be decided is said, as a change.",
        epilog="exit codes, as of diff(1): 0 nobody gains or loses anything; 1 somebody does, or "
        "it cannot be decided; 2 trouble",
    )
    it.add_argument("old", metavar="OLD", type=Path)
    it.add_argument("new", metavar="NEW", type=Path)
    _recursive(it)
    _output(it)


def _where(it: argparse.ArgumentParser) -> None:
    it.add_argument("-n", "--namespace", metavar="NAMESPACE")
    it.add_argument(
        "-f",
        "--folder",
        dest="folders",
        action="append",
        type=Path,
        metavar="DIR",
        help="a folder of manifests in place of the cluster; repeatable",
    )
    _recursive(it)
    _output(it)


def _recursive(it: argparse.ArgumentParser) -> None:
    it.add_argument("-R", "--recursive", action="store_true", help="read what lies below as well")


def _output(it: argparse.ArgumentParser) -> None:
    it.add_argument("--output", choices=("text", "json"), default="text")
