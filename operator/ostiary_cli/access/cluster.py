"""A cluster, through kubectl: what the operator itself reads there, and as it reads it.

What cannot be read is an error: an answer without a ceiling, or without a namespace's labels, could
be the wrong one.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from ostiary_cli import kubectl
from ostiary_cli.endpoint import IMPOSSIBLE, CallFailed
from ostiary_cli.folder_settings import NAME as SETTINGS
from ostiary_cli.folder_tokens import ALWAYS
from ostiary_operator.api import (
    GROUP,
    GROUP_PLURAL,
    LABEL_NAMESPACE_NAME,
    POLICY_PLURAL,
    SERVER_PLURAL,
    TOKEN_PLURAL,
    Invalid,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
    parse_group,
    parse_policy,
    parse_server,
    parse_token,
)
from ostiary_operator.settings import (
    SETTINGS_KEY,
    ClusterSettings,
    SettingsInvalid,
    parse_settings,
)
from ostiary_operator.token_book import write_book

from .standing import Standing

Manifest = Mapping[str, Any]
Model = TypeVar("Model", MCPServer, MCPGroup, MCPAccessToken)
KINDS: Final = (SERVER_PLURAL, GROUP_PLURAL, POLICY_PLURAL, TOKEN_PLURAL)


def read_cluster(now: datetime) -> Standing:
    """Blocking: a handful of lists.  Raises CallFailed."""
    servers, groups, policies, tokens = (_listed(f"{plural}.{GROUP}") for plural in KINDS)
    namespaces = {
        it["metadata"]["name"]: {
            **(it["metadata"].get("labels") or {}),
            LABEL_NAMESPACE_NAME: it["metadata"]["name"],
        }
        for it in _listed("namespaces")
    }
    settings = _settings()
    notes: list[str] = []
    usable = {_key(it): policy for it in policies if (policy := _policy(it, notes)) is not None}
    idle = {key: it for key, it in usable.items() if not _counts(it, settings)}
    read: dict[str, MCPAccessToken] = _parsed(tokens, parse_token, notes)
    good, complaints = _good(read, {_key(it): it for it in tokens}, now)
    return Standing(
        servers=_parsed(servers, parse_server, notes),
        policies={key: it for key, it in usable.items() if key not in idle},
        groups=_parsed(groups, parse_group, notes),
        tokens=read,
        good=good,
        namespaces=namespaces,
        issuers=settings.issuers,
        statuses={_key(it): it.get("status") or {} for it in servers},
        notes=(*notes, *complaints),
        idle=idle,
        default_egress=settings.defaults.egress,
    )


def _listed(resource: str, *words: str) -> list[Manifest]:
    try:
        found = json.loads(kubectl.kubectl("get", resource, "-A", *words, "-o", "json"))
    except CallFailed as err:
        if err.code == IMPOSSIBLE and "orbidden" in str(err):
            why = (
                f"{err}\nAn answer needs all {resource}: ask somebody who may list them, or ask "
                "folders of manifests with -f DIR."
            )
            raise CallFailed(why) from err
        raise
    return list(found["items"])


def _settings() -> ClusterSettings:
    found = _listed("configmaps", "--field-selector", f"metadata.name={SETTINGS}")
    texts = [text for it in found if (text := (it.get("data") or {}).get(SETTINGS_KEY))]
    if len(texts) != 1:
        raise CallFailed(
            f"There are {len(texts)} ConfigMaps {SETTINGS} in the cluster, where the operator has "
            "one: is Ostiary installed here?"
        )
    try:
        return parse_settings(texts[0])
    except SettingsInvalid as err:
        raise CallFailed(f"ConfigMap {SETTINGS}: {err}") from err


def _key(manifest: Manifest) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _parsed(
    manifests: list[Manifest],
    parse: Callable[[Manifest], Model | Invalid],
    notes: list[str],
) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for manifest in manifests:
        model = parse(manifest)
        if isinstance(model, Invalid):
            notes.append(f"{manifest['kind']} {_key(manifest)} is left out: {model}")
        else:
            found[_key(manifest)] = model
    return found


def _policy(manifest: Manifest, notes: list[str]) -> MCPAccessPolicy | None:
    parsed = parse_policy(manifest)
    if isinstance(parsed, MCPAccessPolicy):
        return parsed
    notes.append(f"MCPAccessPolicy {_key(manifest)} is in force in part only: {parsed}")
    return parsed.usable


def _counts(policy: MCPAccessPolicy, settings: ClusterSettings) -> bool:
    return not policy.spec.is_ceiling or policy.metadata.namespace == settings.policyNamespace


def _good(
    tokens: Mapping[str, MCPAccessToken], manifests: Mapping[str, Manifest], now: datetime
) -> tuple[tuple[MCPAccessToken, ...], list[str]]:
    """As the operator says in each token's status; of those that it has not seen yet, a personal
    one opens nothing."""
    notes, left = [], []
    for key, token in tokens.items():
        if manifests[key]["metadata"].get("deletionTimestamp"):
            continue
        why = _refusal(token, manifests[key].get("status") or {}, now)
        if why:
            notes.append(f"MCPAccessToken {key} opens nothing: {why}.")
        else:
            left.append(token)
    return write_book(left, vouched=ALWAYS).accepted, notes


def _refusal(token: MCPAccessToken, status: Manifest, now: datetime) -> str:
    if token.spec.expires <= now.timestamp():
        return f"it ended at {token.spec.expirationTime}"
    accepted = next((it for it in status.get("conditions") or () if it["type"] == "Accepted"), None)
    if accepted is not None and accepted["status"] != "True":
        return str(accepted.get("message") or accepted["reason"]).rstrip(".")
    if accepted is None and token.spec.user:
        return "the operator has not accepted it yet"
    return ""
