"""A stdio server small enough to misbehave on purpose: `python plain.py legacy noisy ...`.

It imports nothing, so that a process starts in the time that Python takes.
"""

import json
import os
import sys
import time

NEW = "2026-07-28"
REGION = {"type": "string", "x-mcp-header": "Region"}
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
        answer(ident, {"supportedVersions": [NEW], "capabilities": able(), "_meta": meta})


def able() -> dict:
    capabilities = {"logging": {}} if "logs" in WORDS else {}
    if "watch" in WORDS:
        capabilities |= {"resources": {"subscribe": True}, "tools": {"listChanged": True}}
    return capabilities


def initialize(ident: object, params: dict) -> None:
    if "modern" in WORDS:
        error(ident, -32601)
        return
    if "picky" in WORDS and params["protocolVersion"] == "2025-06-18":
        error(ident, -32602)
        return
    info = {"name": "plain", "version": "3"}
    capabilities = able()
    version = os.environ.get("PLAIN_VERSION") or params["protocolVersion"]
    result = {"protocolVersion": version, "capabilities": capabilities}
    result["serverInfo"] = info
    SAID.append(params)
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
        case "wonder":
            answer(ident, {})
            send({"jsonrpc": "2.0", "id": "q2", "method": "roots/list"})
        case "answers":
            answer(ident, {"answers": ANSWERS})
        case "wait":
            WAITING.append(ident)
        case "tally":
            TALLY.append(ident)
            answer(ident, {"pid": os.getpid(), "count": len(TALLY)})
        case "levels":
            answer(ident, {"levels": LEVELS, "uris": URIS})
        case "listened":
            answer(ident, {"listened": LISTENED})
        case "said":
            answer(ident, {"said": SAID})
        case "whisper":
            note = {"level": "info", "data": "whispered"}
            answer(ident, {})
            send({"jsonrpc": "2.0", "method": "notifications/message", "params": note})
        case "mutter":
            note = {"level": "info", "data": "muttered"}
            send({"jsonrpc": "2.0", "method": "notifications/message", "params": note})
            answer(ident, {"done": True})
        case "update":
            send(
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/resources/updated",
                    "params": {"uri": meta["uri"]},
                }
            )
            answer(ident, {})
        case "cancelled":
            answer(ident, {"cancelled": CANCELLED})
        case "grow":
            TOOLS.append("grown")
            answer(ident, {})
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
ANSWERS: list[object] = []
"""To what no call waits for."""
WAITING: list[object] = []
CANCELLED: list[object] = []
LEVELS: list[object] = []
URIS: list[object] = []
SAID: list[object] = []
TALLY: list[object] = []
LISTENED: list[object] = []


def take(message: dict) -> None:
    method, ident, params = message.get("method"), message.get("id"), message.get("params", {})
    match method:
        case None if not ASKED:
            ANSWERS.append(message)
        case None:
            answer(ASKED.pop(), {"answer": message.get("result"), "error": message.get("error")})
        case "server/discover":
            discover(ident)
        case "initialize":
            initialize(ident, params)
        case "tools/list" if "pages" in WORDS:
            at = int(params.get("cursor", 0))
            shown = TOOLS[1:] if at else TOOLS[:1]
            more = {} if at else {"nextCursor": "1"}
            answer(ident, {"tools": [{"name": n, "inputSchema": {}} for n in shown], **more})
        case "tools/list":
            schema = {"properties": {"region": REGION}} if "mirrors" in WORDS else {}
            answer(ident, {"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]})
        case "tools/call":
            call(ident, params)
        case "subscriptions/listen":
            LISTENED.append(params["notifications"])
            meta = {"io.modelcontextprotocol/subscriptionId": ident}
            note = {"notifications": params["notifications"], "_meta": meta}
            method = "notifications/subscriptions/acknowledged"
            send({"jsonrpc": "2.0", "method": method, "params": note})
        case "logging/setLevel":
            LEVELS.append(params["level"])
            answer(ident, {})
        case "resources/subscribe":
            URIS.append(params["uri"])
            answer(ident, {})
        case "resources/unsubscribe":
            URIS.remove(params["uri"])
            answer(ident, {})
        case "notifications/cancelled":
            CANCELLED.append(params["requestId"])
        case "notifications/vendor/weather":
            SAID.append(message)
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
