"""A caller who holds on: calls without end, and two open streams; says when each was ended.

    TOKEN=... python3 revoked.py URL TOOL ARGUMENTS_JSON

Standard library alone; runs inside a caller's pod.  A handshake session with its GET stream, a
listen stream of the stateless era, and a call every 20 ms on a kept connection.  One JSON line per
event: {"what": "open"} once all three work; {"what": "call"|"get"|"listen", "t": time, "how"} when
that one was first refused, or ended; {"what": "get heard"|"listen heard", ...} when a stream told
that a list changed.  Ends when the three have ended.  What is waited for is the network alone:
kube-proxy and the policies' agent follow the API server a moment behind; a refusal is never tried
again.  An https URL is verified with the authorities of SSL_CERT_FILE."""

import http.client
import json
import os
import sys
import threading
import time
from urllib.parse import urlsplit

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
target = urlsplit(sys.argv[1])
lock = threading.Lock()


def say(what: str, how: str = "") -> None:
    with lock:
        print(json.dumps({"what": what, "t": time.time(), "how": how}), flush=True)


def connect(seconds: float) -> http.client.HTTPConnection:
    if target.scheme == "https":
        return http.client.HTTPSConnection(target.hostname, target.port or 443, timeout=seconds)
    return http.client.HTTPConnection(target.hostname, target.port or 80, timeout=seconds)


def headers(**more: str) -> dict:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {
        "Authorization": "Bearer " + os.environ["TOKEN"],
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **named,
    }


def message(method: str, params: dict, ident: int | None = 1) -> str:
    body = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(body if ident is None else {**body, "id": ident})


def reachable(seconds: float = 60) -> http.client.HTTPConnection:
    """A connection to the Service, once the node's network knows the pods behind it."""
    until = time.monotonic() + seconds
    while True:
        connection = connect(30)
        try:
            connection.connect()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return connection


def session() -> str:
    connection = reachable()
    hello = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "holder", "version": "1"},
    }
    connection.request("POST", target.path, message("initialize", hello), headers())
    answer = connection.getresponse()
    answer.read()
    ident = answer.getheader("Mcp-Session-Id")
    assert answer.status == 200, answer.status
    told = message("notifications/initialized", {}, None)
    connection.request("POST", target.path, told, headers(Mcp_Session_Id=ident))
    connection.getresponse().read()
    connection.close()
    return ident


def get_stream(ident: str) -> http.client.HTTPResponse:
    connection = connect(120)
    given = headers(Mcp_Session_Id=ident, MCP_Protocol_Version=LEGACY)
    connection.request("GET", target.path, headers=given | {"Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read(200))
    return answer


def listen_stream() -> http.client.HTTPResponse:
    connection = connect(120)
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    given = headers(MCP_Protocol_Version=MODERN, Mcp_Method="subscriptions/listen")
    connection.request("POST", target.path, message("subscriptions/listen", params), given)
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read(200))
    return answer


def drain(what: str, answer: http.client.HTTPResponse) -> None:
    try:
        while line := answer.readline():
            if b"/list_changed" in line:
                say(f"{what} heard")
        say(what, "ended")
    except (OSError, http.client.HTTPException) as err:
        say(what, type(err).__name__)


def calls(tool: str, arguments: dict, opened: threading.Event) -> None:
    given = headers(MCP_Protocol_Version=MODERN, Mcp_Method="tools/call", Mcp_Name=tool)
    body = message("tools/call", {"name": tool, "arguments": arguments, "_meta": META})
    connection = connect(5)
    while True:
        try:
            connection.request("POST", target.path, body, given)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as err:
            say("call", type(err).__name__)
            return
        if answer.status != 200 or b'"result"' not in data:
            say("call", f"HTTP {answer.status}")
            return
        opened.set()
        if answer.will_close:
            connection.close()
        time.sleep(0.02)


def main() -> None:
    tool, arguments = sys.argv[2], json.loads(sys.argv[3])
    get, listen, opened = get_stream(session()), listen_stream(), threading.Event()
    holding = [
        threading.Thread(target=drain, args=("get", get)),
        threading.Thread(target=drain, args=("listen", listen)),
        threading.Thread(target=calls, args=(tool, arguments, opened)),
    ]
    for thread in holding:
        thread.start()
    opened.wait(60)
    say("open")
    for thread in holding:
        thread.join()


main()
