"""What to tell a caller whom no rule admits: the policy that an owner could write.  Pure.

Names of users come from outside: they are quoted, cut short, and rid of what a terminal or a log
would obey.
"""

import json
from typing import Final

from ostiary_proxy.callers import ANONYMOUS, Caller

LONGEST_NAME: Final = 128


def policy_to_write(caller: Caller, namespace: str, server: str) -> str:
    return (
        f"No rule admits {_plain(caller.principal)} to {namespace}/{server}. "
        f"An owner of that namespace can apply:\n{manifest(caller, namespace, server)}"
    )


def manifest(caller: Caller, namespace: str, server: str) -> str:
    """YAML."""
    name = caller.name if caller.kind in ("serviceAccount", "token") else caller.kind
    return (
        "apiVersion: ostiary.dev/v1alpha1\n"
        "kind: MCPAccessPolicy\n"
        f"metadata: {{name: {server}-{name}, namespace: {namespace}}}\n"
        "spec:\n"
        f"  targetRefs: [{{kind: MCPServer, name: {server}}}]\n"
        "  rules:\n"
        f'  - {{name: {name}, from: [{{{_entry(caller, namespace)}}}], allow: {{tools: ["*"]}}}}\n'
    )


def _entry(caller: Caller, namespace: str) -> str:
    if caller.kind == ANONYMOUS:
        return "anonymous: {}"
    if caller.kind == "user":
        return f"users: {{names: [{json.dumps(_plain(caller.name))}]}}"
    namespaces = ""
    if caller.namespace != namespace:
        label = f"kubernetes.io/metadata.name: {caller.namespace}"
        namespaces = f", namespaces: {{from: Selector, selector: {{matchLabels: {{{label}}}}}}}"
    return f'{caller.kind}s: {{names: ["{caller.name}"]{namespaces}}}'


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:LONGEST_NAME])
