"""Watches every pod of a server from inside a caller's pod: may this call be made there, now?

    TOKEN=... python3 flips.py PODS_HOST SERVICE_HOST TOOL ARGUMENTS_JSON

Asks each address behind PODS_HOST (a headless Service, which names pods that are not ready too)
every 20 ms and prints one JSON line per answer: {"ip", "asked", "t", "ok"}, with the times of the
question and of the answer.  ok null = that pod is gone.  What is no word of the policy, as of a
pod whose server starts, goes to stderr.  Runs until it is ended."""

import http.client
import json
import os
import socket
import sys
import threading
import time

POD_PORT = 8080
lock = threading.Lock()


def say(ip: str, asked: float, ok: bool | None) -> None:
    told = {"ip": ip, "asked": asked, "t": time.time(), "ok": ok}
    with lock:
        print(json.dumps(told), flush=True)


def request(tool: str, arguments: dict) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    ).encode()


def ask(connection: http.client.HTTPConnection, host: str, tool: str, body: bytes) -> bool | None:
    """True = answered, False = refused, None = no word of the policy (a busy or starting pod)."""
    connection.request(
        "POST",
        "/mcp",
        body,
        {
            "Host": host,
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        },
    )
    answer = connection.getresponse()
    data = answer.read()
    if answer.will_close:
        connection.close()
    if answer.status == 200 and b'"result"' in data:
        return True
    if answer.status in (400, 403):
        return False
    print(time.time(), connection.host, answer.status, data[:200], file=sys.stderr, flush=True)
    return None


def follow(ip: str, host: str, tool: str, body: bytes, alive: set[str]) -> None:
    misses = 0
    connection = http.client.HTTPConnection(ip, POD_PORT, timeout=5)
    while misses < 5:
        try:
            asked = time.time()
            ok = ask(connection, host, tool, body)
            misses = 0
            if ok is not None:
                say(ip, asked, ok)
        except TimeoutError:
            # It is there: its server starts.
            print(time.time(), ip, "no answer", file=sys.stderr, flush=True)
            connection.close()
        except (OSError, http.client.HTTPException):
            misses += 1
            connection.close()
        time.sleep(0.02)
    say(ip, time.time(), None)
    alive.discard(ip)


def addresses(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, POD_PORT, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(entry[4][0]) for entry in found}


def main() -> None:
    pods_host, host, tool, arguments = sys.argv[1:]
    body = request(tool, json.loads(arguments))
    alive: set[str] = set()
    while True:
        for ip in addresses(pods_host) - alive:
            alive.add(ip)
            known = (ip, host, tool, body, alive)
            threading.Thread(target=follow, args=known, daemon=True).start()
        time.sleep(0.1)


main()
