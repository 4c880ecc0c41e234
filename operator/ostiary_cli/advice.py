"""What a person at a laptop should be told of a folder that is valid and may not mean what it says.

Sentences only: nothing is decided here.
"""

from collections.abc import Iterable, Iterator

from ostiary_operator.api import SERVER_KIND
from ostiary_operator.status.pinning import drifted, suspected
from ostiary_proxy.config import Server, ServerReport
from ostiary_proxy.policy import Caller, Deny, Target, compile_rules, decide

from .local import key_of
from .manifests import Manifests


def not_admitted(servers: Iterable[Server], principals: Iterable[str]) -> Iterator[str]:
    """For each development identity, the servers that answer it with a refusal."""
    listed = tuple(servers)
    for principal in principals:
        _, _, namespace, name = principal.split(":")
        caller = Caller.service_account(namespace, name)
        for server in listed:
            decision = decide(Target("list"), caller, compile_rules(server))
            if isinstance(decision, Deny):
                yield f"{principal} may not call {key_of(server)}: {decision.message}"


def tools_to_approve(server: Server, report: ServerReport | None) -> str:
    """On a cluster these are the conditions ToolsPinned and ToolsSuspect; empty: all is well."""
    if report is None or report.state != "Ready":
        return ""
    pin = server.tools.pin
    said = [drifted(pin, report) if pin.mode != "Off" else "", suspected((report,))]
    return "\n".join(f"MCPServer {key_of(server)}: tools: {it}" for it in said if it)


def missing_targets(manifests: Manifests) -> Iterator[str]:
    """On a cluster this is the policy's condition Accepted=False, TargetNotFound."""
    for key, policy in manifests.policies.items():
        namespace = policy.metadata.namespace
        for number, ref in enumerate(policy.spec.targetRefs or ()):
            if ref.kind == SERVER_KIND and f"{namespace}/{ref.name}" not in manifests.servers:
                yield (
                    f"MCPAccessPolicy {key}: spec.targetRefs[{number}] names the MCPServer "
                    f"{namespace}/{ref.name}, which is not in this folder."
                )
