"""The environment that a pod would have given a server, from manifests alone.

Follows the kubelet: envFrom first, env over it, `$(NAME)` stands for what is already defined, and
`$$` for a dollar sign.  Pure: the caller's own environment is not looked at.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ostiary_operator.api import MCPServer

from .folder_data import Data
from .manifests import Manifests

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that cannot be had here."""

    path: str
    """The field that asks for it."""
    message: str


class _Reference(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def optional(self) -> bool | None: ...


def environment_of(server: MCPServer, manifests: Manifests) -> dict[str, str] | Missing:
    namespace = server.metadata.namespace
    found: dict[str, str] = {}
    for index, source in enumerate(server.spec.envFrom or ()):
        path = f"spec.envFrom[{index}]"
        kind, reference = (
            ("Secret", source.secretRef) if source.secretRef else ("ConfigMap", source.configMapRef)
        )
        data = _object(kind, namespace, reference, manifests, path)
        if isinstance(data, Missing):
            return data
        prefix = source.prefix or ""
        found |= {f"{prefix}{key}": value for key, value in data.values.items()}
    for index, variable in enumerate(server.spec.env or ()):
        if variable.valueFrom is None:
            found[variable.name] = expand(variable.value or "", found)
            continue
        value = _value(variable.valueFrom, namespace, manifests, f"spec.env[{index}].valueFrom")
        if isinstance(value, Missing):
            return value
        if value is not None:
            found[variable.name] = value
    return found


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` as the kubelet expands it: what is not defined stays as it was written."""

    def one(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return environment.get(match.group(1), match.group())

    return _REFERENCE.sub(one, text)


def expand_all(words: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, environment) for word in words)


def _value(source: Any, namespace: str, manifests: Manifests, path: str) -> str | Missing | None:
    """None: optional, and not there."""
    for name, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        reference = getattr(source, name)
        if reference is not None:
            return value_of(kind, namespace, reference, manifests, f"{path}.{name}")
    name = "fieldRef" if source.fieldRef is not None else "resourceFieldRef"
    return Missing(
        f"{path}.{name}",
        "there is no pod here whose field it could be: write a value, or leave the variable out",
    )


def value_of(
    kind: str, namespace: str, reference: Any, manifests: Manifests, path: str
) -> str | Missing | None:
    """Of one key; None: optional, and not there."""
    data = _object(kind, namespace, reference, manifests, path)
    if isinstance(data, Missing) or reference.key in data.values:
        return data if isinstance(data, Missing) else data.values[reference.key]
    if reference.optional:
        return None
    keys = ", ".join(sorted(data.values)) or "none"
    return Missing(
        path, f"{kind} {namespace}/{reference.name} has no key {reference.key}; its keys: {keys}"
    )


def _object(
    kind: str, namespace: str, reference: _Reference | None, manifests: Manifests, path: str
) -> Data | Missing:
    assert reference is not None, "the model admits exactly one of them"
    objects = manifests.secrets if kind == "Secret" else manifests.config_maps
    data = objects.get(f"{namespace}/{reference.name}")
    if data is not None:
        return data
    if reference.optional:
        return Data({})
    return Missing(
        path,
        f"{kind} {namespace}/{reference.name} is not in this folder: add a manifest of it, "
        f"with {'stringData' if kind == 'Secret' else 'data'}",
    )
