"""`ostiary token create|list|revoke`: access tokens of a cluster, or of a folder of manifests.

The secret is made here, shown once on stdout and kept nowhere; only its hash goes into the
MCPAccessToken.  Everything else is said on stderr, so that `$(ostiary token create ...)` is the
token and nothing more.
"""

import json
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_operator.api import (
    API_VERSION,
    GROUP,
    GROUP_KIND,
    SERVER_KIND,
    TOKEN_KIND,
    TOKEN_PLURAL,
    Invalid,
    parse_token,
)
from ostiary_operator.token_book import LONGEST_LIFE
from ostiary_proxy.token_format import mint

from . import kubectl
from .endpoint import IMPOSSIBLE, WRONG, CallFailed
from .manifests import DEFAULT_NAMESPACE, read_folder
from .terminal import one_line, shown

RESOURCE: Final = f"{TOKEN_PLURAL}.{GROUP}"
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dh])")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    name: str
    namespace: str
    opens: tuple[str, ...]
    """MCPServers: SERVER, NAMESPACE/SERVER or NAMESPACE/*."""
    expires: str
    """A span such as 90d, or a time."""
    user: str = ""
    groups: tuple[str, ...] = ()
    """MCPGroups, written as the servers in `opens`."""


def create(wish: Wish, folder: Path | None, now: datetime) -> str:
    """The token; it is made where it is to be good first.  Raises CallFailed."""
    token = mint(secrets.choice)
    manifest = manifest_of(wish, sha256(token.encode()).hexdigest(), now)
    parsed = parse_token(manifest)
    if isinstance(parsed, Invalid):
        raise CallFailed(str(parsed), code=WRONG)
    if folder is None:
        kubectl.kubectl("create", "-f", "-", given=json.dumps(manifest))
        where = f"{TOKEN_KIND} {wish.namespace}/{wish.name}"
    else:
        where = str(_write(folder, wish, manifest))
    tell(
        f"{where} is good until {manifest['spec']['expirationTime']} for "
        f"{', '.join(_places(manifest['spec']))}, as far as policies there name it.",
        "This is the only time that the token is shown:",
    )
    return token


def manifest_of(wish: Wish, digest: str, now: datetime) -> dict[str, Any]:
    """Raises CallFailed."""
    return {
        "apiVersion": API_VERSION,
        "kind": TOKEN_KIND,
        "metadata": {"name": wish.name, "namespace": wish.namespace},
        "spec": {
            **({"user": wish.user} if wish.user else {}),
            "sha256": digest,
            "expirationTime": expiry(wish.expires, now).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "restrictTo": [
                _restriction(kind, it, wish.namespace)
                for kind, places in ((SERVER_KIND, wish.opens), (GROUP_KIND, wish.groups))
                for it in dict.fromkeys(places)
            ],
        },
    }


def expiry(text: str, now: datetime) -> datetime:
    """Raises CallFailed."""
    span = _SPAN.fullmatch(text)
    if span is not None:
        number, unit = int(span[1]), span[2]
        end = now + (timedelta(days=number) if unit == "d" else timedelta(hours=number))
    else:
        try:
            end = datetime.fromisoformat(text)
        except ValueError as err:
            why = f"--expires {text}: write a span such as 90d or 12h, or a time"
            raise CallFailed(why, code=WRONG) from err
        end = end.replace(tzinfo=end.tzinfo or UTC).astimezone(UTC)
    if end <= now:
        raise CallFailed(f"--expires {text}: that is over", code=WRONG)
    if end > now + LONGEST_LIFE:
        raise CallFailed(f"--expires {text}: a token lives for a year at most", code=WRONG)
    return end


def _restriction(kind: str, place: str, own: str) -> dict[str, str]:
    namespace, _, name = place.rpartition("/")
    return {"kind": kind, "namespace": namespace or own, "name": name}


def _write(folder: Path, wish: Wish, manifest: Mapping[str, Any]) -> Path:
    path = folder / f"token-{wish.name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            yaml.safe_dump(dict(manifest), file, sort_keys=False)
    except FileExistsError as err:
        why = f"{path} is there already: revoke that token first, or choose another name"
        raise CallFailed(why, code=WRONG) from err
    except OSError as err:
        raise CallFailed(f"{path} cannot be written: {err.strerror}", code=IMPOSSIBLE) from err
    return path


def listed(namespace: str | None, folder: Path | None, *, every: bool) -> list[dict[str, Any]]:
    """Manifests, by namespace and name.  Raises CallFailed."""
    if folder is None:
        where = ("-A",) if every else ("-n", namespace) if namespace else ()
        found = kubectl.read("get", RESOURCE, *where)["items"]
    else:
        tokens = _of_folder(folder)
        found = [it.as_manifest() for it, _ in tokens.values()]
        found = [it for it in found if namespace in (None, it["metadata"]["namespace"])]
    return sorted(found, key=lambda it: (it["metadata"]["namespace"], it["metadata"]["name"]))


def table(manifests: Iterable[Mapping[str, Any]], now: datetime) -> str:
    rows = [("NAMESPACE", "NAME", "USER", "OPENS", "EXPIRES", "STATE")]
    for it in manifests:
        spec = it["spec"]
        rows.append(
            (
                it["metadata"]["namespace"],
                it["metadata"]["name"],
                one_line(spec.get("user") or "-"),
                ",".join(_places(spec)),
                spec["expirationTime"],
                _state(it, now),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def revoke(name: str, namespace: str, folder: Path | None) -> str:
    """What was done.  Raises CallFailed."""
    if folder is None:
        kubectl.kubectl("delete", RESOURCE, name, "-n", namespace)
        return f"{TOKEN_KIND} {namespace}/{name} is revoked."
    # Whatever else is wrong in the folder: what can be read is enough to take a token away.
    manifests = read_folder(folder)
    tokens = manifests.tokens
    found = tokens.get(f"{namespace}/{name}")
    if found is None:
        _of_folder(folder)
        known = ", ".join(sorted(tokens)) or "none"
        raise CallFailed(
            f"{folder} holds no {TOKEN_KIND} {namespace}/{name}; it has {known}", code=WRONG
        )
    document = found[1].document
    path = folder / document.file
    if len([it for it in yaml.safe_load_all(path.read_text()) if it is not None]) > 1:
        raise CallFailed(f"{path} holds more than the token: take it out there", code=WRONG)
    path.unlink()
    if manifests.problems:
        wrong = "\n".join(str(it) for it in manifests.problems)
        return (
            f"{path} is gone. A running `ostiary up` takes no edit while another file is wrong: "
            f"mend it, or stop `ostiary up`, for the token is good there until then.\n{wrong}"
        )
    return f"{path} is gone, and the token with it."


def _of_folder(folder: Path) -> dict[str, Any]:
    found = read_folder(folder)
    if found.problems:
        raise CallFailed("\n".join(str(it) for it in found.problems), code=WRONG)
    return dict(found.tokens)


def _places(spec: Mapping[str, Any]) -> list[str]:
    return [_place(it) for it in spec["restrictTo"]]


def _place(entry: Mapping[str, str]) -> str:
    """A server by its place alone, as they always were; another kind with its own word."""
    place = f"{entry['namespace']}/{entry['name']}"
    return place if entry["kind"] == SERVER_KIND else f"{entry['kind']}:{place}"


def _state(manifest: Mapping[str, Any], now: datetime) -> str:
    if datetime.fromisoformat(manifest["spec"]["expirationTime"]) <= now:
        return "Expired"
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    ready = next((it for it in conditions if it["type"] == "Ready"), None)
    accepted = next((it for it in conditions if it["type"] == "Accepted"), None)
    if accepted is not None and accepted["status"] != "True":
        return str(accepted["reason"])
    return str(ready["reason"]) if ready is not None else "-"


def namespace_for(given: str | None, folder: Path | None) -> str:
    if given:
        return given
    return kubectl.own_namespace() if folder is None else DEFAULT_NAMESPACE


def tell(*lines: str) -> None:
    for line in lines:
        print(shown(line), file=sys.stderr)


def run(arguments: Any, now: datetime) -> Sequence[str]:
    """Lines for stdout.  Raises CallFailed."""
    folder: Path | None = arguments.folder
    if arguments.action == "list":
        found = listed(arguments.namespace, folder, every=arguments.every)
        if arguments.output == "json":
            return [json.dumps(found)]
        return [table(found, now)]
    namespace = namespace_for(arguments.namespace, folder)
    if arguments.action == "revoke":
        tell(revoke(arguments.name, namespace, folder))
        return []
    user = arguments.user or ""
    if arguments.personal:
        if folder is not None:
            raise CallFailed("--personal: write --user NAME, a folder has no users", code=WRONG)
        user = kubectl.own_name()
    opens, groups = tuple(arguments.opens), tuple(arguments.groups)
    if not (opens or groups):
        raise CallFailed("say what it opens: --for SERVER, or --for-group GROUP", code=WRONG)
    wish = Wish(arguments.name, namespace, opens, arguments.expires, user, groups)
    return [create(wish, folder, now)]
