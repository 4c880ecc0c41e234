"""The command line: `ostiary` on a laptop, and beside kubectl."""
