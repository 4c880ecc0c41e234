"""Writes images as one archive, for a cluster of yours: kind load, docker load, ctr import.

python -m e2e.cluster.images OUT.tar [node|servers|product ...]"""

import sys
from pathlib import Path

from e2e.cluster.images.archive import write_archive
from e2e.cluster.images.recipes import RECIPES
from e2e.cluster.packages import install_missing, require_root
from e2e.cluster.paths import Broken, Unavailable


def main(arguments: list[str]) -> int:
    if not arguments or set(arguments[1:]) - set(RECIPES):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        require_root()
        install_missing()
        images = [image for name in arguments[1:] or RECIPES for image in RECIPES[name]()]
    except (Unavailable, Broken) as err:
        print(err, file=sys.stderr)
        return 1
    with Path(arguments[0]).open("wb") as out:
        write_archive(images, out)
    for image in images:
        print(image.reference)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
