"""What a person at a laptop should be told of a folder that is valid and may not mean what it says.

Sentences only: nothing is decided here.
"""

from collections.abc import Container, Iterable, Iterator

from ostiary_operator.api import GROUP_KIND, SERVER_KIND
from ostiary_operator.status.pinning import drifted, suspected
from ostiary_proxy.config import GroupBackend, Server, ServerReport
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_rules import compile_group
from ostiary_proxy.policy import Caller, Deny, Rules, Target, compile_rules, decide

from .local import called, key_of
from .manifests import Manifests


def not_admitted(servers: Iterable[Server], principals: Iterable[str]) -> Iterator[str]:
    """For each development identity, the servers that answer it with a refusal."""
    listed = tuple(servers)
    for principal in principals:
        _, _, namespace, name = principal.split(":")
        caller = Caller.service_account(namespace, name)
        for server in listed:
            decision = decide(Target("list"), caller, _rules(server))
            if isinstance(decision, Deny):
                yield f"{principal} may not call {_name(server)}: {decision.message}"


def tools_to_approve(server: Server, report: ServerReport | None) -> str:
    """On a cluster these are the conditions ToolsPinned and ToolsSuspect; empty: all is well."""
    if report is None or report.state != "Ready":
        return ""
    pin = server.tools.pin
    said = [drifted(pin, report) if pin.mode != "Off" else "", suspected((report,))]
    return "\n".join(f"{called(server)}: tools: {it}" for it in said if it)


def missing_targets(manifests: Manifests) -> Iterator[str]:
    """On a cluster this is the policy's condition Accepted=False, TargetNotFound."""
    there: dict[str, Container[str]] = {
        SERVER_KIND: manifests.servers,
        GROUP_KIND: manifests.groups,
    }
    for key, policy in manifests.policies.items():
        namespace = policy.metadata.namespace
        for number, ref in enumerate(policy.spec.targetRefs or ()):
            if f"{namespace}/{ref.name}" not in there.get(ref.kind, ()):
                yield (
                    f"MCPAccessPolicy {key}: spec.targetRefs[{number}] names the {ref.kind} "
                    f"{namespace}/{ref.name}, which is not in this folder."
                )


def _rules(server: Server) -> Rules:
    if isinstance(server.backend, GroupBackend):
        return compile_group(server, {}, GroupPlaces(server.backend))
    return compile_rules(server)


def _name(server: Server) -> str:
    group = isinstance(server.backend, GroupBackend)
    return called(server) if group else key_of(server)
