"""The URL of a `remote`, taken apart; and no other spelling of it taken.  Pure.

One spelling per place: no userinfo, no fragment, no address in decimal, octal or hexadecimal, and
nothing that one program would read as a name and another as an address.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

LONGEST: Final = 1024
PORTS: Final = {"https": 443, "http": 80}

_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
NAME: Final = f"({_LABEL}[.])*[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?"
_IPV4: Final = f"{_OCTET}([.]{_OCTET}){{3}}"
PORT: Final = (
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_CHARS: Final = "([-A-Za-z0-9._~!$&()*+,;=:@/{}]|%[0-9A-Fa-f]{{2}})*"
URL_PATTERN: Final = (
    f"^https?://({NAME}|{_IPV4})(:{PORT})?(/{_CHARS.format('')})?([?]{_CHARS.format('?')})?$"
)
"""The last label of a name begins with a letter, so that no name can be read as a number.  IPv6
addresses are left out: nobody publishes a server by one, and CEL cannot check them at a bearable
cost."""
_PARTS: Final = re.compile(r"(https?)://([^/:?]*)(?::(\d+))?(.*)")


@dataclass(frozen=True, slots=True)
class Location:
    scheme: Literal["https", "http"]
    host: str
    """A name, or an IPv4 address."""
    port: int
    path: str
    """With the query."""

    @property
    def is_address(self) -> bool:
        """The host is an address: there is nothing to resolve."""
        return re.fullmatch(_IPV4, self.host) is not None


def locate(url: str) -> Location | None:
    """None: it is not written as `URL_PATTERN` says."""
    if len(url) > LONGEST or re.fullmatch(URL_PATTERN[1:-1], url) is None:
        return None
    found = _PARTS.fullmatch(url)
    assert found is not None, "the pattern is narrower"
    scheme: Literal["https", "http"] = "https" if found[1] == "https" else "http"
    port = int(found[3]) if found[3] else PORTS[scheme]
    path = found[4] if found[4].startswith("/") else f"/{found[4]}"
    return Location(scheme, found[2], port, path)
