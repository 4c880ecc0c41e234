"""A steady stream of requests through a group, over kept connections, with the standard library.

    TOKEN=... python3 group_load.py URL REQUESTS_JSON --era modern|legacy --until FILE [--again]

REQUESTS_JSON: [[method, params], ...], each connection's turn after turn.  In the legacy era each
connection has a session, begun once.  Prints one JSON object: calls, failed, failures (the first
twenty), again, broken, opened, slowest, and by method: calls and failed.  Any answer but a result,
and any broken connection, is a failure.  With --again a request whose connection breaks before its
answer's head is sent again on a new one, as clients do with what is safe, and counted as `again`;
an answer but a result is a failure as ever."""

import argparse
import http.client
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
AGAIN_SECONDS = 30
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
BROKEN = (OSError, http.client.HTTPException)


class Failed(Exception):
    """An answer that is no result."""


class Client:
    def __init__(self, url: str, era: str, again: bool) -> None:
        self.url, self.era = urlsplit(url), era
        self.wait = AGAIN_SECONDS if again else 0
        self.connection: http.client.HTTPConnection | None = None
        self.session = ""
        self.opened = self.again = 0
        self.ids = itertools.count(1)

    def headers(self, method: str, params: dict) -> dict:
        found = {
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        if self.era == "modern":
            found |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if method in NAMED_BY:
                found["Mcp-Name"] = params[NAMED_BY[method]]
        elif self.session:
            found |= {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": self.session}
        return found

    def once(self, body: str, headers: dict) -> tuple[http.client.HTTPResponse, str]:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.url.hostname or "", self.url.port or 80, timeout=60
            )
            self.connection.connect()
            self.opened += 1
        self.connection.request("POST", self.url.path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.will_close:
            self.close()
        return answer, text

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def post(self, body: dict, headers: dict) -> tuple[http.client.HTTPResponse, str]:
        deadline = time.monotonic() + self.wait
        while True:
            if "id" in body:
                body["id"] = next(self.ids)  # what broke off may be under way still
            try:
                return self.once(json.dumps(body), headers)
            except BROKEN:
                self.close()
                if time.monotonic() > deadline:
                    raise
                self.again += 1
                time.sleep(0.05)

    def request(self, method: str, params: dict) -> dict:
        sent = {**params, "_meta": META} if self.era == "modern" else params
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": sent}
        answer, text = self.post(body, self.headers(method, params))
        if answer.getheader("Content-Type", "").startswith("text/event-stream"):
            events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
            text = next((e for e in events if '"result"' in e or '"error"' in e), "{}")
        if answer.status != 200 or "result" not in json.loads(text or "{}"):
            raise Failed(f"HTTP {answer.status}: {text[:300]}")
        self.session = answer.getheader("Mcp-Session-Id", "") or self.session
        return json.loads(text)["result"]

    def begin(self) -> None:
        if self.era == "modern":
            return
        client = {"name": "load", "version": "1"}
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client}
        self.request("initialize", hello)
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self.post(told, self.headers("", {}))


class Tally:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: Counter = Counter()
        self.failed: Counter = Counter()
        self.failures: list[str] = []
        self.opened = self.again = 0
        self.slowest = 0.0


def stream(client: Client, requests: list, tally: Tally, goes_on: Callable[[], bool]) -> None:
    client.begin()
    number = 0
    while goes_on():
        method, params = requests[number % len(requests)]
        number += 1
        began, failure = time.monotonic(), ""
        try:
            client.request(method, params)
        except (Failed, ValueError, *BROKEN) as err:
            failure = f"{time.time():.3f} {method} {type(err).__name__}: {err}"
            client.close()
        with tally.lock:
            tally.calls[method] += 1
            tally.slowest = max(tally.slowest, time.monotonic() - began)
            if failure:
                tally.failed[method] += 1
                tally.failures.append(failure)
        time.sleep(0.02)
    with tally.lock:
        tally.opened += client.opened
        tally.again += client.again


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("requests", type=json.loads)
    parser.add_argument("--era", choices=["modern", "legacy"], default="modern")
    parser.add_argument("--until", required=True, help="a file whose existence ends the load")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--again", action="store_true")
    chosen = parser.parse_args()
    until, tally = time.monotonic() + chosen.seconds, Tally()

    def goes_on() -> bool:
        return time.monotonic() < until and not os.path.exists(chosen.until)

    def work(number: int) -> None:
        turned = chosen.requests[number:] + chosen.requests[:number]
        stream(Client(chosen.url, chosen.era, chosen.again), turned, tally, goes_on)

    threads = [
        threading.Thread(target=work, args=(number % len(chosen.requests),))
        for number in range(chosen.connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {
        "calls": sum(tally.calls.values()),
        "failed": sum(tally.failed.values()),
        "failures": sorted(tally.failures)[:20],
        "by_method": {
            method: {"calls": count, "failed": tally.failed[method]}
            for method, count in sorted(tally.calls.items())
        },
    }
    seen |= {"opened": tally.opened, "again": tally.again, "slowest": round(tally.slowest, 3)}
    print(json.dumps(seen))


main()
