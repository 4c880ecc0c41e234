"""`python -m conformance.everything.warm SOCKET`: has imported the SDK, and forks a stdio server
for whatever launch.py hands over.
"""

import json
import os
import signal
import socket
import sys
from typing import Final

from conformance.everything.__main__ import main

LONGEST: Final = 4096


def serve(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become_server(connection)
            connection.close()


def _become_server(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words, handed, _, _ = socket.recv_fds(connection, LONGEST, 3)
    for number, descriptor in enumerate(handed):
        os.dup2(descriptor, number)
        os.close(descriptor)
    status = 1
    try:
        main(json.loads(words))
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)  # what the parent has still to write is the parent's


if __name__ == "__main__":
    serve(sys.argv[1])
