"""Security row 14: one spelling per place; all else is refused before anything resolves."""

import pytest
import re2

from ostiary_operator.api.location import LONGEST, URL_PATTERN, Location, locate

GOOD = {
    "https://mcp.example.com": Location("https", "mcp.example.com", 443, "/"),
    "https://mcp.example.com/mcp": Location("https", "mcp.example.com", 443, "/mcp"),
    "http://mcp.example.com/mcp": Location("http", "mcp.example.com", 80, "/mcp"),
    "https://mcp.example.com:8443/a?b=c": Location("https", "mcp.example.com", 8443, "/a?b=c"),
    "https://mcp.example.com?b=/c": Location("https", "mcp.example.com", 443, "/?b=/c"),
    "https://xn--mnchen-3ya.example/": Location("https", "xn--mnchen-3ya.example", 443, "/"),
    "http://127.0.0.1:9000/mcp": Location("http", "127.0.0.1", 9000, "/mcp"),
    "http://localhost:9000/mcp": Location("http", "localhost", 9000, "/mcp"),
}
BAD = {
    "no scheme": "mcp.example.com/mcp",
    "another scheme": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_",
    "scheme in capitals": "HTTPS://mcp.example.com/mcp",
    "no host": "https:///mcp",
    "capitals": "https://MCP.example.com/mcp",
    "userinfo": "https://mcp.example.com@127.0.0.1/mcp",
    "user and password": "https://a:b@mcp.example.com/mcp",
    "userinfo that ends like a host": "https://a@mcp.example.com",
    "fragment": "https://mcp.example.com/mcp#@127.0.0.1",
    "trailing dot": "https://mcp.example.com./mcp",
    "trailing dot of an address": "https://127.0.0.1./mcp",
    "decimal": "https://2130706433/mcp",
    "octal": "https://0177.0.0.1/mcp",
    "octal, padded": "https://127.0.0.01/mcp",
    "hexadecimal": "https://0x7f000001/mcp",
    "hexadecimal octets": "https://0x7f.0x0.0x0.0x1/mcp",
    "short": "https://127.1/mcp",
    "mixed": "https://0x7f.1/mcp",
    "a number at the end": "https://mcp.example.1/mcp",
    "five parts": "https://127.0.0.1.1/mcp",
    "out of range": "https://300.0.0.1/mcp",
    "IPv6": "https://[::1]/mcp",
    "IPv4 in IPv6": "https://[::ffff:127.0.0.1]/mcp",
    "IPv6 with a zone": "https://[fe80::1%25eth0]/mcp",
    "open bracket": "https://[::1/mcp",
    "IDN": "https://münchen.example/mcp",
    "full-width digits": "https://\uff11\uff12\uff17.0.0.1/mcp",
    "circled digits": "https://①②⑦.⓪.⓪.①/mcp",
    "ideographic stops": "https://127。0。0。1/mcp",
    "soft hyphen": "https://local\u00adhost/mcp",
    "escaped host": "https://%6c%6fcalhost/mcp",
    "underscore": "https://a_b.example/mcp",
    "empty label": "https://a..b/mcp",
    "hyphen first": "https://-a.example/mcp",
    "hyphen last": "https://a-.example/mcp",
    "long label": f"https://{'a' * 64}.example/mcp",
    "port 0": "https://mcp.example.com:0/mcp",
    "port too large": "https://mcp.example.com:65536/mcp",
    "no port": "https://mcp.example.com:/mcp",
    "padded port": "https://mcp.example.com:0443/mcp",
    "two ports": "https://mcp.example.com:443:80/mcp",
    "backslash": "https://mcp.example.com\\@127.0.0.1/mcp",
    "space": "https://mcp.example.com/a b",
    "space before": " https://mcp.example.com/mcp",
    "tab in the host": "https://mcp.exa\tmple.com/mcp",
    "line break": "https://mcp.example.com/mcp\r\nhost: evil",
    "line break at the end": "https://mcp.example.com/mcp\n",
    "NUL": "https://mcp.example.com/\x00",
    "broken escape": "https://mcp.example.com/%zz",
    "quote": "https://mcp.example.com/'",
    "too long": "https://mcp.example.com/" + "a" * LONGEST,
}


@pytest.mark.parametrize(("url", "location"), GOOD.items(), ids=GOOD)
def test_a_url_is_taken_apart(url: str, location: Location) -> None:
    assert locate(url) == location


@pytest.mark.parametrize("url", BAD.values(), ids=BAD)
def test_another_spelling_is_refused(url: str) -> None:
    assert locate(url) is None


def test_the_pattern_means_the_same_to_the_api_server() -> None:
    pattern = re2.compile(URL_PATTERN)

    for url in (*GOOD, *BAD.values()):
        assert bool(pattern.search(url)) == (locate(url) is not None) or len(url) > LONGEST


@pytest.mark.parametrize(("host", "is_address"), [("127.0.0.1", True), ("a.b", False)])
def test_an_address_is_told_from_a_name(host: str, is_address: bool) -> None:
    location = locate(f"http://{host}/")

    assert location is not None
    assert location.is_address == is_address
