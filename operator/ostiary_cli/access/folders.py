"""Folders of manifests in the place of a cluster.

Manifests that lie below a folder are never passed over in silence: an answer without them could
be the wrong one.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from ostiary_cli.endpoint import WRONG, CallFailed
from ostiary_cli.folder_settings import NAME as SETTINGS
from ostiary_cli.folder_tokens import good_tokens
from ostiary_cli.manifests import SUFFIXES, Manifests, Problem, manifest_files, take_files
from ostiary_operator.api import LABEL_NAMESPACE_NAME

from .standing import Standing


def read_folders(
    folders: Sequence[Path],
    now: datetime,
    *,
    recursive: bool = False,
    namespaces: Collection[str] = (),
) -> Standing:
    """`namespaces`: others than those that the manifests name.  Raises CallFailed."""
    found = Manifests()
    files: dict[Path, str] = {}
    for folder in dict.fromkeys(folders):
        for inner in _all_of(folder, found, recursive=recursive):
            files |= {path: str(path) for path in manifest_files(inner, found)}
    if not files and not found.problems:
        where = " and ".join(map(str, folders))
        found.problems.append(Problem(where, "holds no manifest (*.yaml, *.yml, *.json)"))
    take_files(files, found)
    if found.problems:
        raise CallFailed("\n".join(map(str, found.problems)), code=WRONG)
    return _standing(found, now, namespaces)


def _standing(found: Manifests, now: datetime, namespaces: Collection[str]) -> Standing:
    good, complaints = good_tokens((token for token, _ in found.tokens.values()), now)
    labels = found.labels()
    labels |= {it: {LABEL_NAMESPACE_NAME: it} for it in namespaces if it not in labels}
    settled = any(key.partition("/")[2] == SETTINGS for key in found.config_maps)
    return Standing(
        servers={key: server for key, (server, _) in found.servers.items()},
        policies=found.policies,
        groups={key: group for key, (group, _) in found.groups.items()},
        tokens={key: token for key, (token, _) in found.tokens.items()},
        good=good,
        namespaces=labels,
        issuers=found.issuers if settled else None,
        notes=tuple(complaints),
    )


def _all_of(folder: Path, found: Manifests, *, recursive: bool) -> list[Path]:
    below = sorted(
        {
            path.parent
            for suffix in SUFFIXES
            for path in folder.rglob(f"*{suffix}")
            if path.parent != folder and path.is_file() and not _is_hidden(path, folder)
        }
    )
    if below and not recursive:
        message = f"{below[0]} below it holds manifests: add -R to read them, or move them away"
        found.problems.append(Problem(str(folder), message))
    return [folder, *below] if recursive else [folder]


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
