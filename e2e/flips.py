"""Watches every pod of a server from inside a caller's pod: may this call be made there, now?

    TOKEN=... python3 flips.py PODS_HOST SERVICE_HOST TOOL ARGUMENTS_JSON

Asks each address behind PODS_HOST (a headless Service) every 20 ms and prints one JSON line when
an address is first seen, when its answer changes and when it is gone: {"t", "ip", "ok"}, with ok
null = gone.  Runs until it is ended."""

import http.client
import json
import os
import socket
import sys
import threading
import time

POD_PORT = 8080
lock = threading.Lock()


def say(ip: str, ok: bool | None) -> None:
    with lock:
        print(json.dumps({"t": time.time(), "ip": ip, "ok": ok}), flush=True)


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
    return False if answer.status in (400, 403) else None


def follow(ip: str, host: str, tool: str, body: bytes, alive: set[str]) -> None:
    last: bool | None = None
    misses = 0
    connection = http.client.HTTPConnection(ip, POD_PORT, timeout=5)
    while misses < 5:
        try:
            ok = ask(connection, host, tool, body)
            misses = 0
            if ok is not None and ok != last:
                last = ok
                say(ip, ok)
        except (OSError, http.client.HTTPException):
            misses += 1
            connection.close()
        time.sleep(0.02)
    if last is not None:
        say(ip, None)
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
