"""Legacy sessions over a Service, every request on a connection of its own; standard library alone.

    TOKEN=... python3 direct.py URL open SESSIONS CALLS    sessions of two pods, and calls of each
    TOKEN=... python3 direct.py URL call SESSION_ID TOOL ARGUMENTS_JSON

`open` calls the tool `count` (a number that its process counts up) and prints {"sessions": [{"id",
"host", "counted": [...], "pids": [...]}], "failures": [...], "connections"}; `call` prints the
tool's text.  A connection that cannot be made is tried again for half a minute, as a Service may
name a pod that has just gone; a request that was sent is never sent again."""

import http.client
import json
import os
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

VERSION = "2025-11-25"
CONNECT_SECONDS = 30
MOST = 16


class Failed(Exception):
    """An answer that is none."""


FAILURES = (Failed, OSError, ValueError, http.client.HTTPException)


class Client:
    def __init__(self, url: str) -> None:
        self.url = urlsplit(url)
        found = socket.getaddrinfo(self.url.hostname, 80, socket.AF_INET, socket.SOCK_STREAM)
        self.address = str(found[0][4][0])
        self.connections = 0

    def connect(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            made = http.client.HTTPConnection(self.address, self.url.port or 80, timeout=5)
            try:
                made.connect()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                continue
            made.sock.settimeout(60)
            self.connections += 1
            return made

    def post(self, body: dict, session: str = "") -> tuple[int, str, str]:
        """Status, session id, text."""
        headers = {
            "Host": self.url.netloc,
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        if session:
            headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": VERSION}
        connection = self.connect()
        try:
            connection.request("POST", self.url.path, json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, answer.getheader("Mcp-Session-Id", ""), text
        finally:
            connection.close()

    def begin(self) -> str:
        client = {"name": "direct", "version": "1"}
        hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        status, session, text = self.post(request("initialize", hello))
        if status != 200 or not session:
            raise Failed(f"initialize: HTTP {status}: {text[:200]}")
        status, _, text = self.post(
            {"jsonrpc": "2.0", "method": "notifications/initialized"}, session
        )
        if status != 202:
            raise Failed(f"notifications/initialized: HTTP {status}: {text[:200]}")
        return session

    def call(self, session: str, tool: str, arguments: dict) -> str:
        body = request("tools/call", {"name": tool, "arguments": arguments})
        status, _, text = self.post(body, session)
        result = json.loads(message(text)).get("result") if status == 200 else None
        if result is None:
            raise Failed(f"{tool}: HTTP {status}: {text[:200]}")
        return str(result["content"][0]["text"])


def request(method: str, params: dict) -> dict:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def message(text: str) -> str:
    """The answer, which may have come as an event."""
    events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    return next((e for e in events if '"result"' in e or '"error"' in e), text)


def use(client: Client, session: dict, calls: int, failures: list) -> None:
    try:
        answers = [json.loads(client.call(session["id"], "count", {})) for _ in range(calls)]
    except FAILURES as err:
        failures.append(f"{type(err).__name__}: {err}")
        return
    session["counted"] = [answer["calls"] for answer in answers]
    session["pids"] = sorted({answer["pid"] for answer in answers})


def begun(client: Client, least: int) -> list[dict]:
    """Where a session lives is a matter of chance: more, until two pods have some."""
    found: list[dict] = []
    while len(found) < least or (len({each["host"] for each in found}) < 2 and len(found) < MOST):
        session = client.begin()
        host = client.call(session, "environment", {"name": "HOSTNAME"})
        found.append({"id": session, "host": host})
    return found


def main() -> None:
    client = Client(sys.argv[1])
    if sys.argv[2] == "call":
        session, tool, arguments = sys.argv[3:]
        print(client.call(session, tool, json.loads(arguments)))
        return
    least, calls = map(int, sys.argv[3:])
    failures: list[str] = []
    sessions = begun(client, least)
    threads = [
        threading.Thread(target=use, args=(client, session, calls, failures))
        for session in sessions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        json.dumps({"sessions": sessions, "failures": failures, "connections": client.connections})
    )


main()
