"""One HTTP request from inside a pod, with the standard library alone; prints what came back.

    python3 ask.py '{"url": ..., "body": {...} | null, "headers": {...}, "timeout": seconds}'

Prints {"status", "headers", "body", "error"}; status 0 and a word in error when no answer came."""

import json
import sys
import urllib.error
import urllib.request


def lowered(headers) -> dict:
    return {name.lower(): value for name, value in headers.items()}


def main() -> None:
    asked = json.loads(sys.argv[1])
    data = None if asked["body"] is None else json.dumps(asked["body"]).encode()
    request = urllib.request.Request(asked["url"], data=data, headers=asked["headers"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    seen = {"status": 0, "headers": {}, "body": "", "error": ""}
    try:
        with opener.open(request, timeout=asked["timeout"]) as answer:
            seen |= {"status": answer.status, "headers": lowered(answer.headers)}
            seen["body"] = answer.read(1 << 20).decode(errors="replace")
    except urllib.error.HTTPError as err:
        seen |= {"status": err.code, "headers": lowered(err.headers)}
        seen["body"] = err.read(1 << 20).decode(errors="replace")
    except OSError as err:
        seen["error"] = f"{type(err).__name__}: {err}"
    print(json.dumps(seen))


main()
