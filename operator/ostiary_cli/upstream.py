"""What a pod would mount for `spec.upstream`: header values and a CA bundle, from the folder's own
manifests to files that only this user reads.

The proxy follows the files as it does in a pod, so that an edited Secret takes effect at once.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ostiary_operator.api import MCPServer
from ostiary_operator.render.outside import CA_FILE, header_file, headers_of

from .environment import Missing, value_of
from .manifests import Manifests

Files = dict[Path, str]


@dataclass(frozen=True, slots=True)
class _Needed:
    name: str
    key: str
    optional: bool = False


def files_of(server: MCPServer, manifests: Manifests, folder: Path) -> Files | Missing:
    """The files below `folder`.  Pure."""
    namespace, found = server.metadata.namespace, Files()
    for index, header in enumerate(headers_of(server)):
        path = f"spec.upstream.headers[{index}].secretKeyRef"
        needed = _Needed(header.secretKeyRef.name, header.secretKeyRef.key)
        value = value_of("Secret", namespace, needed, manifests, path)
        if isinstance(value, Missing):
            return value
        found[folder / header_file(header)] = value or ""
    upstream = server.spec.upstream
    if upstream is not None and upstream.caBundle is not None:
        reference = upstream.caBundle.configMapKeyRef
        path = "spec.upstream.caBundle.configMapKeyRef"
        needed = _Needed(reference.name, reference.key)
        value = value_of("ConfigMap", namespace, needed, manifests, path)
        if isinstance(value, Missing):
            return value
        found[folder / CA_FILE] = value or ""
    return found


def write_files(before: Mapping[Path, str], wanted: Mapping[Path, str]) -> None:
    """Blocking.  Each file changes all at once; what is wanted no more goes, folders stay."""
    for path, text in wanted.items():
        if before.get(path) == text:
            continue
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    for path in before.keys() - wanted.keys():
        path.unlink(missing_ok=True)


def remove_files(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
