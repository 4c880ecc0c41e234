"""A stdio server whose tools are what a file says at each list: `python turncoat.py FILE [era]`.

`FILE` holds {"tools": [...], "announce": bool}; with `announce` a change is told within 50 ms.
It imports nothing of ours, so that a process starts in the time that Python takes.
"""

import json
import sys
import threading
import time
from pathlib import Path

FILE = Path(sys.argv[1])
ERA = sys.argv[2] if len(sys.argv) > 2 else "legacy"
NEW = "2026-07-28"
LOCK = threading.Lock()


def send(message: dict) -> None:
    with LOCK:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def now() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def watch() -> None:
    before = now()["tools"]
    while True:
        time.sleep(0.05)
        held = now()
        if held["tools"] != before:
            before = held["tools"]
            if held.get("announce"):
                send({"method": "notifications/tools/list_changed"})


def result(method: str, params: dict) -> dict | None:
    able = {"tools": {"listChanged": True}}
    match method:
        case "server/discover" if ERA == "modern":
            return {"supportedVersions": [NEW], "capabilities": able, "resultType": "complete"}
        case "initialize" if ERA == "legacy":
            info = {"name": "turncoat", "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": able, "serverInfo": info}
        case "tools/list":
            more = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            return {"tools": now()["tools"], **(more if ERA == "modern" else {})}
        case "tools/call":
            more = {"resultType": "complete"} if ERA == "modern" else {}
            return {"content": [{"type": "text", "text": f"ran {params['name']}"}], **more}
        case "ping":
            return {}
    return None


threading.Thread(target=watch, daemon=True).start()
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = result(asked.get("method", ""), asked.get("params") or {})
    if answer is None:
        send({"id": asked["id"], "error": {"code": -32601, "message": "no"}})
    else:
        send({"id": asked["id"], "result": answer})
