"""The processes of a stdio server: who shares one, how many there are, how long one may idle."""

from typing import Annotated, Literal

from pydantic import Field

from .schema import Part


class Stdio(Part):
    process: Literal["PerSession", "PerUser", "Shared"] | None = None
    """Who shares a process. PerSession: each client session has its own, which separates state but
    is not a security boundary. PerUser: the sessions of one caller share one; callers without a
    token are refused. Shared: everybody shares one. Neither PerUser nor Shared lets the server ask
    a client for input, sampling or roots, and each counts per pod. Default: PerSession."""
    lists: Literal["Catalogue", "PerSession"] | None = None
    """Catalogue: the handshake and the lists of tools, resources and prompts are answered for all
    sessions by one process per pod, and a session's own begins at its first call. PerSession: for
    a server whose lists differ by session; each session has a process from its start.
    Default: Catalogue."""
    maxProcesses: Annotated[int, Field(ge=1, le=256)] | None = None
    """Processes per pod at most, beside the one that answers lists. At the cap the one that has
    been idle for longest is ended and its session begins anew at its next call; only when all are
    busy is a caller told to come back later. One caller has three quarters of them at most, so
    that others find one. Default: 16."""
    idleSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds without a call, a stream or a subscription after which a process is stopped; its
    session begins anew at its next call. Default: 600."""
