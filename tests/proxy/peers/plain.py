"""A stdio server small enough to misbehave on purpose: `python plain.py legacy noisy ...`.

It imports nothing, so that a process starts in the time that Python takes.
"""

import json
import os
import sys
import time

NEW = "2026-07-28"
ODD = '{"jsonrpc": "2.0",  "id": ID, "result": {"x": 1e2}}'
WORDS = frozenset(sys.argv[1:])


def send(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(ident: object, result: object) -> None:
    send({"jsonrpc": "2.0", "id": ident, "result": result})


def error(ident: object, code: int) -> None:
    send({"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": "no"}})


def discover(ident: object) -> None:
    if "dies" in WORDS:
        os._exit(4)
    if "legacy" in WORDS:
        error(ident, -32602)
    else:
        meta = {"io.modelcontextprotocol/serverInfo": {"name": "plain", "version": "3"}}
        answer(ident, {"supportedVersions": [NEW], "capabilities": {}, "_meta": meta})


def initialize(ident: object, params: dict) -> None:
    if "modern" in WORDS:
        error(ident, -32601)
        return
    info = {"name": "plain", "version": "3"}
    result = {"protocolVersion": params["protocolVersion"], "capabilities": {}, "serverInfo": info}
    answer(ident, result)


def call(ident: object, params: dict) -> None:
    meta = params.get("_meta", {})
    match params["name"]:
        case "pid":
            answer(ident, {"pid": os.getpid()})
        case "echo":
            answer(ident, {"id": ident, "params": params})
        case "progress":
            for step in (1, 2):
                note = {"progressToken": meta["progressToken"], "progress": step, "odd": [1]}
                send({"jsonrpc": "2.0", "method": "notifications/progress", "params": note})
            answer(ident, {"done": True})
        case "garbage":
            sys.stdout.write("this is no JSON\n{}\n[1]\n\n\x00\n")
            answer(ident, {"done": True})
        case "odd":
            sys.stdout.write(ODD.replace("ID", json.dumps(ident)) + "\n")
            sys.stdout.flush()
        case "crash":
            os._exit(3)
        case "long":
            sys.stdout.write("x" * (17 * 1024 * 1024))
            sys.stdout.flush()
        case "ask":
            params = {"message": "?", "requestedSchema": {}}
            ask = {"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": params}
            send(ask)
            ASKED.append(ident)
        case "wait":
            WAITING.append(ident)
        case "cancelled":
            answer(ident, {"cancelled": CANCELLED})
        case "change":
            TOOLS.append("grown")
            send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            answer(ident, {})
        case "child":
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            answer(ident, {})


TOOLS = ["echo", "pid", "hidden_one"]
ASKED: list[object] = []
WAITING: list[object] = []
CANCELLED: list[object] = []


def take(message: dict) -> None:
    method, ident, params = message.get("method"), message.get("id"), message.get("params", {})
    match method:
        case None:
            answer(ASKED.pop(), {"answer": message.get("result"), "error": message.get("error")})
        case "server/discover":
            discover(ident)
        case "initialize":
            initialize(ident, params)
        case "tools/list":
            answer(ident, {"tools": [{"name": name, "inputSchema": {}} for name in TOOLS]})
        case "tools/call":
            call(ident, params)
        case "subscriptions/listen":
            meta = {"io.modelcontextprotocol/subscriptionId": ident}
            note = {"notifications": params["notifications"], "_meta": meta}
            method = "notifications/subscriptions/acknowledged"
            send({"jsonrpc": "2.0", "method": method, "params": note})
        case "notifications/cancelled":
            CANCELLED.append(params["requestId"])
        case _ if ident is not None:
            answer(ident, {"method": method, "params": params})


def main() -> None:
    if "exits" in WORDS:
        sys.exit("plain: exiting on purpose")
    if "noisy" in WORDS:
        sys.stdout.write("Starting up...\nlistening\n")
        sys.stdout.flush()
    for line in sys.stdin:
        if "silent" not in WORDS and "deaf" not in WORDS:
            take(json.loads(line))


if __name__ == "__main__":
    main()
