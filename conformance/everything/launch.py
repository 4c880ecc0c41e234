"""`launch.py SOCKET [--era ERA]`: a stdio server at once, as the child of whoever started this.

The SDK takes two seconds of a core to import, and the suite begins more than a hundred sessions. So
this hands its stdin, stdout and stderr to a process that is forked from one that has imported all
(warm.py), and lives as long as that does.  Nothing but the standard library is imported here.
"""

import json
import socket
import sys


def main() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        words = json.dumps(sys.argv[2:]).encode()
        socket.send_fds(connection, [words], [0, 1, 2])
        # The server holds the other end and never writes: this returns when it has ended.
        connection.recv(1)


if __name__ == "__main__":
    main()
