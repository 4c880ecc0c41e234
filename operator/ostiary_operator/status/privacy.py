"""BackendPrivate: who reaches the server without its proxy, as far as was looked."""

from typing import Final

from ostiary_operator.api import LABEL_SERVER, Reason
from ostiary_operator.api.location import locate
from ostiary_operator.api.source import ServiceSource
from ostiary_operator.render import names
from ostiary_operator.render.containers import SHIM
from ostiary_operator.render.workload import Workload

from .conditions import Verdict
from .scene import ServerScene

_NOT_YET: Final = Verdict("Unknown", Reason.PROGRESSING, "the NetworkPolicy is not there yet")


def private(scene: ServerScene) -> Verdict:
    spec = scene.root.spec
    if spec.remote is not None:
        location = locate(spec.remote.url)
        host = location.host if location else "the remote"
        return Verdict(
            "False",
            Reason.REMOTE,
            f"{host} is not part of this cluster: who else may call it is for its operator to say; "
            "the credentials of spec.upstream are in the proxy alone",
        )
    if spec.service is not None:
        return _service(scene, spec.service)
    return _stdio(scene) if spec.is_stdio else _http(scene)


def _service(scene: ServerScene, service: ServiceSource) -> Verdict:
    if not service.protect:
        return Verdict(
            "False",
            Reason.EXPOSED,
            f"whoever reaches Service {service.name} passes the proxy by: write "
            "spec.service.protect: true, which closes its pods to everybody else",
        )
    workload = scene.observed.workload
    if not isinstance(workload, Workload):
        message = workload.message if workload else "the Service was not looked at yet"
        return Verdict("Unknown", Reason.PROGRESSING, message)
    if scene.observed.protection is None:
        return _NOT_YET
    name = names.protection(scene.root.metadata.name)
    pods = f"the pods of Service {service.name}"
    widening = ", ".join(scene.observed.protection_widened_by)
    if widening:
        return Verdict(
            "False",
            Reason.WIDENED_BY,
            f"NetworkPolicy {widening} admits more to {pods} than ours, {name}: let it not select "
            "them",
        )
    return Verdict(
        "True",
        Reason.POLICY_APPLIED,
        f"NetworkPolicy {name} admits the proxy alone to {pods}; whether the network enforces it "
        "was not tried",
    )


def _stdio(scene: ServerScene) -> Verdict:
    if _server_command(scene)[:1] != [SHIM]:
        return Verdict("Unknown", Reason.PROGRESSING, "the Deployment is not there yet")
    widening = ", ".join(scene.observed.widened_by)
    note = f"; NetworkPolicy {widening} admits more to the proxy's ports" if widening else ""
    return Verdict(
        "True", Reason.NO_LISTENER, f"the server speaks over stdio: no port exists{note}"
    )


def _http(scene: ServerScene) -> Verdict:
    if scene.observed.network_policy is None:
        return _NOT_YET
    name = names.network_policy(scene.root.metadata.name)
    widening = ", ".join(scene.observed.widened_by)
    if widening:
        return Verdict(
            "False",
            Reason.WIDENED_BY,
            f"NetworkPolicy {widening} admits more than ours, {name}: let it not select pods with "
            f"{LABEL_SERVER}={scene.root.metadata.name}",
        )
    return Verdict(
        "True",
        Reason.POLICY_APPLIED,
        f"NetworkPolicy {name} admits the proxy's ports alone; whether the network enforces it "
        "was not tried",
    )


def _server_command(scene: ServerScene) -> list[str]:
    template = scene.deployment.get("spec", {}).get("template", {}).get("spec", {})
    for container in template.get("containers") or ():
        if container.get("name") == "server":
            return list(container.get("command") or ())
    return []
