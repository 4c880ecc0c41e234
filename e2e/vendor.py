"""A server on "the internet": an address of public space that only the test's nodes have.

    python3 vendor.py ADDRESS -- COMMAND...

Gives the network that it runs in the address (on its loopback, so that nothing of it ever leaves
the machine), then becomes COMMAND.  Root and NET_ADMIN, in a pod with hostNetwork."""

import fcntl
import os
import socket
import struct
import sys

SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
ALIAS = b"lo:vendor"


def ifreq(address: str) -> bytes:
    where = struct.pack("!2xH4s8x", 0, socket.inet_aton(address))
    family = struct.pack("=H", socket.AF_INET) + where[2:]
    return struct.pack("16s16s", ALIAS, family)


def main() -> None:
    address, dashes, *command = sys.argv[1:]
    assert dashes == "--"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR, ifreq(address))
        fcntl.ioctl(any_socket, SIOCSIFNETMASK, ifreq("255.255.255.255"))
    os.execvp(command[0], command)


main()
