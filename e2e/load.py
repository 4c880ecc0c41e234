"""A steady stream of tools/call over kept connections, with the standard library alone.

    TOKEN=... python3 load.py URL TOOL ARGUMENTS_JSON --era modern|legacy --seconds 20 --until FILE

Runs inside a pod until the seconds are over, or FILE (optional) exists.  Prints one JSON object:
calls, failed, failures (the first twenty as sentences), opened (connections), slowest (seconds).
Any answer but a result, and any broken connection, is a failure: nothing is tried again.  A
connection is given up only when the answer asks for it (`Connection: close`).  The legacy era here
is sessionless: no session id is ever sent."""

import argparse
import http.client
import json
import os
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = "io.modelcontextprotocol/"


class Failed(Exception):
    """A call that gave no result."""


class Caller:
    """One connection at a time, and what was seen on it."""

    def __init__(self, url: str, era: str) -> None:
        self.url = urlsplit(url)
        self.era = era
        self.connection: http.client.HTTPConnection | None = None
        self.opened = 0

    def headers(self, method: str, name: str) -> dict[str, str]:
        found = {
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN if self.era == "modern" else LEGACY,
        }
        if self.era == "modern":
            found |= {"Mcp-Method": method, "Mcp-Name": name}
        return found

    def connect(self) -> http.client.HTTPConnection:
        made = http.client.HTTPConnection(self.url.hostname or "", self.url.port or 80, timeout=30)
        made.connect()
        self.opened += 1
        return made

    def post(self, method: str, name: str, params: dict[str, object]) -> dict[str, object]:
        if self.connection is None:
            self.connection = self.connect()
        if self.era == "modern":
            params = params | {
                "_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
            }
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self.connection.request("POST", self.url.path, body, self.headers(method, name))
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.will_close:
            self.connection.close()
            self.connection = None
        return self.result(answer, data)

    def result(self, answer: http.client.HTTPResponse, data: bytes) -> dict[str, object]:
        text = data.decode()
        if answer.getheader("Content-Type", "").startswith("text/event-stream"):
            events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
            text = next((e for e in events if '"result"' in e or '"error"' in e), "{}")
        if answer.status != 200 or "result" not in json.loads(text or "{}"):
            raise Failed(f"HTTP {answer.status}: {text[:200]}")
        return dict(json.loads(text)["result"])


def stream(
    caller: Caller, tool: str, arguments: dict[str, object], goes_on: Callable[[], bool]
) -> dict:
    calls, failures, slowest = 0, [], 0.0
    while goes_on():
        began = time.monotonic()
        try:
            caller.post("tools/call", tool, {"name": tool, "arguments": arguments})
        except (Failed, OSError, ValueError, http.client.HTTPException) as err:
            failures.append(f"{time.time():.3f} {type(err).__name__}: {err}")
            caller.connection = None
        calls += 1
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.01)
    return {"calls": calls, "failures": failures, "slowest": slowest, "opened": caller.opened}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("tool")
    parser.add_argument("arguments", type=json.loads)
    parser.add_argument("--era", choices=["modern", "legacy"], default="modern")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--until", default="", help="a file whose existence ends the load")
    parser.add_argument("--connections", type=int, default=8)
    chosen = parser.parse_args()
    until = time.monotonic() + chosen.seconds
    results: list[dict] = []

    def goes_on() -> bool:
        return time.monotonic() < until and not (chosen.until and os.path.exists(chosen.until))

    def work() -> None:
        caller = Caller(chosen.url, chosen.era)
        results.append(stream(caller, chosen.tool, chosen.arguments, goes_on))

    threads = [threading.Thread(target=work) for _ in range(chosen.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [f for r in results for f in r["failures"]]
    print(
        json.dumps(
            {
                "calls": sum(r["calls"] for r in results),
                "failed": len(failures),
                "failures": sorted(failures)[:20],
                "opened": sum(r["opened"] for r in results),
                "slowest": max((r["slowest"] for r in results), default=0.0),
            }
        )
    )


if __name__ == "__main__":
    main()
