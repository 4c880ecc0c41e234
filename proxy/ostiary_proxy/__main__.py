"""`python -m ostiary_proxy`: the sidecar.  See `sidecar` for what it does and reads."""

import sys

from ostiary_proxy import lean


def main() -> int:
    lean.before_imports()
    # Not at the top: what it imports must find the ground prepared.
    from ostiary_proxy.sidecar import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
