"""The commands run in this process, on a folder that has one of everything."""

import contextlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ostiary_cli.__main__ import main


def ask(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    command = () if words and words[0] in ("who-can", "allow", "review", "diff") else ("can-i",)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*command, *words])
        except SystemExit as ended:
            code = int(str(ended.code))
    return code, out.getvalue(), err.getvalue()


def token(name: str, digit: str, opens: str, user: str = "", *, end: str) -> str:
    namespace, _, server = opens.partition("/")
    return f"""---
apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessToken
metadata: {{name: {name}, namespace: tools}}
spec:
  user: "{user}"
  sha256: "{digit * 64}"
  expirationTime: "{end}"
  restrictTo: [{{kind: MCPServer, namespace: {namespace}, name: "{server}"}}]
"""


LATER = (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
SERVER = """apiVersion: ostiary.dev/v1alpha1
kind: MCPServer
metadata: {name: time, namespace: tools}
spec: {image: img, command: [c]}
"""
POLICY = """apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessPolicy
metadata: {name: read, namespace: tools}
spec:
  targetRefs: [{kind: MCPServer, name: time}]
  rules:
  - name: planners
    from:
    - serviceAccounts:
        names: ["plan*"]
        namespaces: {from: Selector, selector: {matchLabels: {team: agents}}}
    allow: {tools: ["get_*"]}
  - name: people
    from: [{users: {names: ["alice"]}}]
    allow: {resources: ["time://*"]}
  - name: bobs
    from: [{users: {names: ["bob"]}}]
    allow: {tools: ["convert"]}
    when: args.zone == 'UTC'
  - name: readers
    from: [{oidc: {issuer: "https://i.x", claims: {groups: [readers]}}}]
    allow: {tools: ["list"]}
  - name: machines
    from: [{tokens: {names: ["ci", "ended", "away"]}}]
    allow: {tools: ["get_*"]}
  deny:
  - tools: ["get_secret"]
  - from: [{serviceAccounts: {names: ["planted"], namespaces: {from: All}}}]
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: agents, labels: {team: agents}}\n"


def folder(path: Path, **files: str) -> Path:
    """`files`: in the place of these, or beside them."""
    end = LATER
    tokens = "".join(
        (
            token("ci", "1", "tools/time", end=end),
            token("ended", "2", "tools/time", end="2020-01-01T00:00:00Z"),
            token("away", "3", "shop/other", end=end),
            token("stranger", "4", "tools/*", end=end),
            token("alices", "5", "tools/time", "alice", end=end),
        )
    )
    given = {"server": SERVER, "policy": POLICY, "namespace": NAMESPACE, "tokens": tokens} | files
    path.mkdir(parents=True, exist_ok=True)
    for name, text in given.items():
        (path / f"{name}.yaml").write_text(text)
    return path
