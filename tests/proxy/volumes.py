"""A ConfigMap or Secret volume as the kubelet keeps it: files are links into a folder that one
rename exchanges."""

import os
import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

_numbers = count()


def project(volume: Path, files: Mapping[str, bytes]) -> None:
    """Make the volume hold exactly these files, atomically."""
    volume.mkdir(exist_ok=True)
    data = volume / "..data"
    before = volume / os.readlink(data) if data.is_symlink() else None
    stamped = volume / f"..2026_11_24_{next(_numbers)}"
    stamped.mkdir()
    for name, content in files.items():
        (stamped / name).write_bytes(content)
    fresh = volume / "..data_tmp"
    fresh.symlink_to(stamped.name)
    fresh.rename(data)
    for name in files:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    for entry in volume.iterdir():
        if not entry.name.startswith("..") and entry.name not in files:
            entry.unlink()
    if before is not None:
        shutil.rmtree(before)
