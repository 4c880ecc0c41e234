"""What an access token of ours looks like: `ost_<id>_<secret><crc>`.  Pure.

The id is for people, who may show it; the secret is 190 random bits; the checksum tells a token
that was cut or mistyped, and lets a scanner of repositories be sure.  Only its SHA-256 is ever
stored.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final
from zlib import crc32

PREFIX: Final = b"ost_"
ID_LENGTH: Final = 8
SECRET_LENGTH: Final = 32
CRC_LENGTH: Final = 6
LENGTH: Final = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + CRC_LENGTH

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_FORM: Final = re.compile(
    rb"ost_[a-z2-9]{%d}_[0-9A-Za-z]{%d}" % (ID_LENGTH, SECRET_LENGTH + CRC_LENGTH)
)


def mint(choose: Callable[[str], str]) -> str:
    """`choose`: one of the characters, by chance that nobody can guess."""
    ident = "".join(choose(_ID_DIGITS) for _ in range(ID_LENGTH))
    secret = "".join(choose(_DIGITS) for _ in range(SECRET_LENGTH))
    body = f"{PREFIX.decode()}{ident}_{secret}"
    return body + _checksum(body.encode())


def is_ours(token: bytes) -> bool:
    return token.startswith(PREFIX)


def is_whole(token: bytes) -> bool:
    """Asked before anything is looked up."""
    if len(token) != LENGTH or not _FORM.fullmatch(token):
        return False
    return _checksum(token[:-CRC_LENGTH]).encode() == token[-CRC_LENGTH:]


def digest_of(token: bytes) -> bytes:
    return sha256(token).digest()


def _checksum(body: bytes) -> str:
    number, found = crc32(body), ""
    for _ in range(CRC_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
