"""The words of `ostiary audit verify` and `ostiary why`."""

import argparse
from typing import Final

TRAIL: Final = frozenset({"audit", "why"})
"""What `run` serves."""


def add_trail(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _audit(commands)
    _why(commands)


def _audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    audit = commands.add_parser("audit", help="look at an audit trail")
    verbs = audit.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify = verbs.add_parser(
        "verify",
        help="is it whole? names the first gap",
        description="Reads the proxies' audit lines, of any number of pods and mixed with other "
        "output, and follows each chain of hashes. Files are read in the order given.",
        epilog="exit codes: 0 whole; 1 a gap; 2 the command line or a file is wrong",
    )
    verify.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="- or nothing: standard input; a folder of `ostiary up`: its trail",
    )
    verify.add_argument(
        "--heads",
        metavar="FILE",
        help="the operator's log, which holds the chains' heads: shows that no end was cut off and "
        "nothing rewritten",
    )
    verify.add_argument(
        "--from-middle",
        action="store_true",
        help="the first lines may be missing, as after a log was rotated away",
    )
    verify.add_argument("--output", choices=("text", "json"), default="text")


def _why(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    why = commands.add_parser(
        "why",
        help="what was behind the id of a refusal",
        description="Finds the audit line with this id, in files or in the logs of the cluster's "
        "proxies, and says what was asked, by whom, and what decided.",
        epilog="exit codes: 0 found; 1 not found; 2 the command line or a file is wrong; 3 the "
        "cluster cannot be asked",
    )
    why.add_argument(
        "id", metavar="ID", help="26 characters, for example 01M8B2V761SSB3E2XFSFYR8M66"
    )
    why.add_argument(
        "-f",
        dest="files",
        metavar="FILE",
        action="append",
        default=[],
        help="audit lines in place of the cluster's, - for standard input, or the folder of an "
        "`ostiary up`; repeatable",
    )
    where = why.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", default="", help="of the server")
    where.add_argument("-A", "--all-namespaces", action="store_true")
    why.add_argument("--output", choices=("text", "json"), default="text")
