"""Watches from a caller's pod whether a tool of a group may be called, and whether it is listed.

    TOKEN=... python3 consent.py URL TOOL ARGUMENTS_JSON

Standard library alone.  Asks for both every 20 ms, each on a kept connection, and prints one JSON
line whenever an answer is another than the one before: {"what": "call"|"list", "t": when it was
asked, "ok": whether it was answered, or listed, "how"}.  Runs until it is ended."""

import http.client
import json
import os
import sys
import threading
import time
from urllib.parse import urlsplit

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
target = urlsplit(sys.argv[1])
tool, arguments = sys.argv[2], json.loads(sys.argv[3])
lock = threading.Lock()


def say(what: str, asked: float, ok: bool, how: str) -> None:
    with lock:
        print(json.dumps({"what": what, "t": asked, "ok": ok, "how": how}), flush=True)


def ask(connection: http.client.HTTPConnection, method: str, params: dict) -> tuple[int, str]:
    headers = {
        "Authorization": "Bearer " + os.environ["TOKEN"],
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
    }
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    connection.request("POST", target.path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.will_close:
        connection.close()
    return answer.status, text


def called(connection: http.client.HTTPConnection) -> tuple[bool, str]:
    status, text = ask(connection, "tools/call", {"name": tool, "arguments": arguments})
    return status == 200 and '"result"' in text, f"HTTP {status}: {text[:200]}"


def listed(connection: http.client.HTTPConnection) -> tuple[bool, str]:
    status, text = ask(connection, "tools/list", {})
    events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    result = json.loads(events[-1] if events else text).get("result") or {}
    names = [one["name"] for one in result.get("tools", [])]
    return tool in names, f"HTTP {status}, {len(names)} tools"


def follow(what: str, look) -> None:
    connection = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=30)
    before = None
    while True:
        asked = time.time()
        try:
            ok, how = look(connection)
        except (OSError, ValueError, http.client.HTTPException) as err:
            connection.close()
            ok, how = False, f"{type(err).__name__}: {err}"
        if ok != before:
            before = ok
            say(what, asked, ok, how)
        time.sleep(0.02)


def main() -> None:
    for what, look in (("call", called), ("list", listed)):
        threading.Thread(target=follow, args=(what, look)).start()


main()
