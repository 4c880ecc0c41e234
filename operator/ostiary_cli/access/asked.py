"""What the command line asks about: who, and what is to be done.

Sentences for the person there; nothing is decided here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary_cli.endpoint import WRONG, CallFailed
from ostiary_operator.api import MCPAccessToken
from ostiary_proxy.callers import ANONYMOUS, Caller
from ostiary_proxy.policy import Kind, Target

from .arguments import FORMS, VERBS
from .standing import Standing

KINDS: Final[Mapping[str, Kind]] = dict(zip(VERBS, ("tool", "resource", "prompt"), strict=True))
"""By the word of the command line."""
ISSUER: Final = "iss"
SUBJECT: Final = "sub"


@dataclass(frozen=True, slots=True)
class Asker:
    caller: Caller
    token: MCPAccessToken | None = None
    """What the caller shows, where it was named."""


def parse_principal(text: str, option: str) -> Caller:
    """Raises CallFailed."""
    match text.split(":"):
        case ["system", "serviceaccount", namespace, name] if namespace and name:
            return Caller.service_account(namespace, name)
        case ["token", namespace, name] if namespace and name:
            return Caller.token(namespace, name)
        case ["user", *rest] if any(rest):
            return Caller.user(":".join(rest))
        case [word] if word == ANONYMOUS:
            return Caller.anonymous()
    raise CallFailed(f"{option} {text}: write {FORMS}", code=WRONG)


def asker(text: str, groups: Iterable[str], pairs: Iterable[str], standing: Standing) -> Asker:
    """Raises CallFailed."""
    caller, listed, claims = parse_principal(text, "--as"), tuple(groups), _claims(pairs)
    if (listed or claims) and caller.kind != "user":
        raise CallFailed(f"--groups and --claims are a user's, and {text} is none", code=WRONG)
    if caller.kind == "token":
        return _with_token(caller, standing)
    if caller.kind != "user":
        return Asker(caller)
    given = claims.get(ISSUER)
    issuer = given if isinstance(given, str) else _issuer_of(caller.name, standing)
    if (listed or claims) and not issuer:
        raise CallFailed(
            "--groups and --claims are what an issuer's token bears: name the issuer, "
            "--claims iss=https://id.example",
            code=WRONG,
        )
    if not listed:
        listed = _groups(issuer, claims, standing)
    subject = str(claims.get(SUBJECT, caller.name)) if issuer else ""
    return Asker(
        Caller.user(caller.name, issuer=issuer, subject=subject, groups=listed, claims=claims)
    )


def _with_token(caller: Caller, standing: Standing) -> Asker:
    token = standing.tokens.get(f"{caller.namespace}/{caller.name}")
    if token is not None and token.spec.user:
        return Asker(Caller.user(token.spec.user), token)
    return Asker(caller, token)


def _issuer_of(name: str, standing: Standing) -> str:
    """As names tell them apart: `<issuer name>:<username>`, or else the primary one."""
    trusted = standing.issuers or ()
    named = {it.name: it.url for it in trusted if not it.primary}
    first = name.partition(":")[0]
    if first in named:
        return named[first]
    return next((it.url for it in trusted if it.primary), "")


def _groups(issuer: str, claims: Mapping[str, object], standing: Standing) -> tuple[str, ...]:
    """Of the claim that the settings call so."""
    named = next((it.groupsClaim for it in standing.issuers or () if it.url == issuer), "groups")
    value = claims.get(named) if named else None
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),) if value else ()


def _claims(pairs: Iterable[str]) -> dict[str, object]:
    """`k=v`, where a v that is JSON is that, and a k that is there twice is a list."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise CallFailed(f"--claims {pair}: write claim=value", code=WRONG)
        value = _value(text)
        if key not in found:
            found[key] = value
            continue
        before = found[key]
        found[key] = [*before, value] if isinstance(before, list) else [before, value]
    return found


def _value(text: str) -> object:
    if text[:1] not in ("[", "{", '"') and text not in ("true", "false"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def arguments_of(text: str | None) -> dict[str, object] | None:
    """Raises CallFailed."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as err:
        raise CallFailed(f"--args is not JSON: {err}", code=WRONG) from err
    if not isinstance(found, dict):
        example = '--args \'{"timezone": "UTC"}\''
        raise CallFailed(f"--args must be an object, for example {example}", code=WRONG)
    return found


def target_of(verb: str, name: str, args: Mapping[str, object] | None = None) -> Target:
    return Target(KINDS[verb], name, args)
