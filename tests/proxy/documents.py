"""Config documents for the tests: one sidecar's, as the operator writes it."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from tests.proxy import signing

from ostiary_proxy import config

TIME_SERVER = config.StdioBackend(command=(str(Path(sys.executable).parent / "mcp-server-time"),))
"""A real server, as a child of the proxy's own."""


def everyone(*tools: str) -> config.Policy:
    subject = config.Subject(kind="serviceAccount", names=("*",), namespaces=None)
    allow = config.Allow(tools=tools or ("*",))
    return config.Policy(
        namespace="tools",
        name="everyone",
        rules=(config.Rule(name="all", subjects=(subject,), allow=allow),),
    )


def session_key(number: int, master: bytes) -> config.SessionKey:
    return config.SessionKey(number=number, sha256=hashlib.sha256(master).hexdigest())


def server(**more: Any) -> config.Server:
    values: dict[str, Any] = {
        "namespace": "tools",
        "name": "time",
        "uid": "u1",
        "url": signing.AUDIENCE,
        "audiences": (signing.AUDIENCE,),
        "hosts": ("time.tools.svc",),
        "backend": config.StdioBackend(),
        "policies": (everyone(),),
        **more,
    }
    return config.Server(**values)


def document(generation: int = 1, **more: Any) -> config.ProxyConfig:
    values: dict[str, Any] = {
        "generation": generation,
        "role": "sidecar",
        "operatorSubject": signing.OPERATOR,
        "issuers": (signing.issuer(),),
        "servers": (server(),),
        "drainSeconds": 30,
        **more,
    }
    return config.ProxyConfig(**values)


def raw(generation: int = 1, **more: Any) -> bytes:
    return document(generation, **more).model_dump_json().encode()
