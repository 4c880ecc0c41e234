"""MCPServer: one MCP server, its pod, and the limits of its endpoint.

The name rule keeps URLs guessable and the names of children free of clashes between objects.
"""

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from .container import (
    Env,
    EnvFroms,
    Identity,
    PullSecrets,
    Resources,
    Security,
    Volumes,
)
from .fields import AnnotationMap, Glob, LabelMap, label_keys
from .metadata import Metadata
from .network import Network
from .scheduling import Scheduling
from .schema import ATOMIC, Part, Rule, exactly_one

NAME_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_LENGTH: Final = 54
TAKEN_ENDINGS: Final = "-(group|pods|mcp|proxy|key-[0-9]+)$"
RESERVED_PORTS: Final = (8080, 8443, 9464)
RESERVED_PREFIXES: Final = (
    "ostiary.dev/",
    "app.kubernetes.io/",
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
_unreserved_cel: Final = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)


class Stdio(Part):
    process: Literal["PerSession"] | None = None
    """PerSession: each client session has a process of its own, which separates state but is not a
    security boundary. Default: PerSession."""
    maxProcesses: Annotated[int, Field(ge=1, le=256)] | None = None
    """Processes per pod at most; at the cap a new session is told to come back later.
    Default: 16."""
    idleSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds without a call after which a session's process is stopped. Default: 600."""


class StreamableHttp(Part):
    laws: ClassVar = (
        Rule(
            cel=f"!(self.port in [{', '.join(map(str, RESERVED_PORTS))}])",
            message=f"ports {', '.join(map(str, RESERVED_PORTS))} are the proxy's: let the server "
            "listen on another one, for example 8000",
            holds=lambda it: it.port not in RESERVED_PORTS,
            field="port",
        ),
    )

    port: Annotated[int, Field(ge=1, le=65535)]
    """Port that the server listens on; 127.0.0.1 is enough, and preferred. Required."""
    path: (
        Annotated[str, Field(max_length=256, pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$")] | None
    ) = None
    """Path of its MCP endpoint. Default: /mcp."""


class Transport(Part):
    laws: ClassVar = (
        exactly_one(
            "stdio",
            "streamableHTTP",
            message="write exactly one of stdio and streamableHTTP, "
            "or leave transport out for stdio",
        ),
    )

    stdio: Stdio | None = None
    """The server speaks over stdin and stdout: no port exists at all. Default: this, when
    transport is left out."""
    streamableHTTP: StreamableHttp | None = None
    """The server listens on a port, which only the proxy beside it reaches. Default: none."""


def _reserved(field: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(k, {_unreserved_cel})",
        message=f"keys that begin with {', '.join(RESERVED_PREFIXES)} are reserved: "
        "use a prefix of your own",
        holds=lambda it: (
            not any(key.startswith(RESERVED_PREFIXES) for key in getattr(it, field) or ())
        ),
        field=field,
    )


class PodMetadata(Part):
    laws: ClassVar = (
        label_keys("labels"),
        label_keys("annotations"),
        _reserved("labels"),
        _reserved("annotations"),
    )

    labels: LabelMap = None
    """Labels for the pods; the object's own are never copied. Default: none."""
    annotations: AnnotationMap = None
    """Annotations for the pods; the object's own are never copied. Default: none."""


class ServerTools(Part):
    allow: Annotated[
        tuple[Glob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
    ] = None
    """Tools that exist at all, for anybody; `*` stands for any text. Default: every tool."""
    deny: Annotated[tuple[Glob, ...] | None, Field(max_length=256, json_schema_extra=ATOMIC)] = None
    """Tools that do not exist for anybody, whatever `allow` and policies say. Default: none."""


class Limits(Part):
    requestBytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = None
    """Largest request body, in bytes; a larger one is refused. Default: 4194304 (4 MiB)."""
    callSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds that the server may be silent on a call; progress starts them anew. Default: 300."""
    inputSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds that a person may take to answer what the server asks. Default: 900."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Calls in flight per pod; beyond it a caller is told to come back later. Default: 64."""


class MCPServerSpec(Part):
    laws: ClassVar = (
        Rule(
            cel="(has(self.transport) && has(self.transport.streamableHTTP)) "
            "|| (has(self.command) && size(self.command) > 0)",
            message="a stdio server needs command, as the image's own entry point is replaced: "
            'write the program and its arguments, for example command: ["mcp-server-time"]',
            holds=lambda it: it.http is not None or bool(it.command),
            field="command",
        ),
        Rule(
            cel="!has(self.volumes) || self.volumes.all(v, "
            "self.volumes.exists_one(w, w.mountPath == v.mountPath))",
            message="two volumes have one mountPath: give each its own",
            holds=lambda it: (
                len({volume.mountPath for volume in it.volumes or ()}) == len(it.volumes or ())
            ),
            field="volumes",
        ),
    )

    image: Annotated[str, Field(min_length=1, max_length=512, pattern="^[!-~]+$")]
    """Container image of the server, for example registry.example/mcp-time:1.4. Required."""
    command: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=64, json_schema_extra=ATOMIC),
    ] = None
    """Program and arguments, never read by a shell. Required for stdio, where it takes the place of
    the image's entry point. Default for other transports: the image's own."""
    args: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=128, json_schema_extra=ATOMIC),
    ] = None
    """Arguments after `command`. Default: none for stdio, else the image's own."""
    workingDir: Annotated[str, Field(max_length=1024)] | None = None
    """Folder that the server starts in. Default: the image's."""
    transport: Transport | None = None
    """How the proxy speaks to the server. May be changed later. Default: stdio."""
    env: Env = None
    """Environment variables; secretKeyRef is the only place for a credential. Default: HOME."""
    envFrom: EnvFroms = None
    """Environment variables from all keys of a Secret or ConfigMap. Default: none."""
    resources: Resources | None = None
    """CPU and memory of the server's container; the proxy has its own. Default: none."""
    volumes: Volumes = None
    """Volumes, each with its mount; a path of the node is never one of them. Default: /tmp and
    /home/mcp alone are writable."""
    security: Security | None = None
    """User id and root filesystem; restricted Pod Security holds whatever is set. Default: user
    65532, read-only root."""
    identity: Identity | None = None
    """What the pod may be for Kubernetes and the cloud. Default: an account of its own without
    rights and without a token."""
    scheduling: Scheduling | None = None
    """Where the pods run. Default: anywhere, replicas spread over nodes."""
    imagePullSecrets: PullSecrets = None
    """Secrets that hold the registry's credentials. Default: none."""
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the node asks the registry. Default: Always for the tag latest, else IfNotPresent."""
    startupSeconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds from the start of the container that the server may take to answer; until then a
    silent server counts as starting, not as unavailable. Default: 60."""
    terminationGracePeriodSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds from the order to stop until the pod is killed. Default and minimum: the cluster's
    drainSeconds + 10, which is 40 unless the admin changed it."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Pods. Default: 1, without writing it here."""
    podMetadata: PodMetadata | None = None
    """Labels and annotations for the pods, and the only way to set them. Default: none."""
    network: Network | None = None
    """Where the server may connect to. Default: the cluster's setting."""
    tools: ServerTools | None = None
    """Which of the server's tools exist here. Who may call them is a policy's word.
    Default: all."""
    limits: Limits | None = None
    """Limits of the endpoint. Default: see each field."""

    @property
    def http(self) -> StreamableHttp | None:
        return self.transport.streamableHTTP if self.transport else None

    @property
    def stdio(self) -> Stdio:
        """The settings of the stdio transport, which is also the default; mind `http` first."""
        return (self.transport.stdio if self.transport else None) or Stdio()


class MCPServer(Part):
    """An MCP server: a private pod, one endpoint for every MCP client, and rules for who may call.

    Nobody may call until an MCPAccessPolicy says who.
    """

    laws: ClassVar = (
        Rule(
            cel=f"self.metadata.name.size() <= {NAME_LENGTH} "
            f"&& self.metadata.name.matches('{NAME_PATTERN}')",
            message=f"name: begin with a letter, then letters, digits and '-', "
            f"{NAME_LENGTH} characters at most, for example time",
            holds=lambda it: (
                len(it.metadata.name) <= NAME_LENGTH
                and re.fullmatch(NAME_PATTERN[1:-1], it.metadata.name) is not None
            ),
        ),
        Rule(
            cel=f"!self.metadata.name.matches('{TAKEN_ENDINGS}')",
            message="name: the endings -group, -pods, -mcp, -proxy and -key-N belong to objects "
            "that the operator makes: choose another",
            holds=lambda it: re.search(TAKEN_ENDINGS, it.metadata.name) is None,
        ),
    )

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPServer"]
    metadata: Metadata
    spec: MCPServerSpec
    """What the server is and how it runs."""
