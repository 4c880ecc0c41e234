"""Folders of manifests for tests."""

from pathlib import Path

API = "apiVersion: ostiary.dev/v1alpha1"


def server(name: str, *lines: str, namespace: str = "default", image: str = "img:1") -> str:
    """`lines`: more of spec, each indented as it stands below it."""
    return "\n".join(
        [
            API,
            "kind: MCPServer",
            f"metadata: {{name: {name}, namespace: {namespace}}}",
            "spec:",
            f"  image: {image}",
            *(f"  {line}" for line in lines),
            "",
        ]
    )


def group(*members: str, name: str = "everyday", namespace: str = "default", more: str = "") -> str:
    """`members`: each as a flow mapping; `more`: of spec, the same way."""
    entries = "".join(f"\n  - {{{member}}}" for member in members)
    return f"""{API}
kind: MCPGroup
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  members:{entries}
{f"  {more}" if more else ""}
"""


def policy(
    name: str = "all",
    *,
    account: str = "developer",
    tools: str = "['*']",
    namespace: str = "default",
) -> str:
    return f"""{API}
kind: MCPAccessPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{}}
  rules:
  - name: rule
    from: [{{serviceAccounts: {{names: [{account}]}}}}]
    allow: {{tools: {tools}}}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder
