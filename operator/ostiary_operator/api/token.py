"""MCPAccessToken: a token of ours by its hash, for a person or for itself.

Its spec never changes: another secret, another reach or a longer life is another object.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from .fields import DnsLabel
from .metadata import Metadata
from .schema import Part, Transition, keyed

EVERY: Final = "*"
USER_PATTERN: Final = "^([!-~]([ -~]*[!-~])?)?$"
TIME_PATTERN: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"
)
TARGET_PATTERN: Final = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$"


def _is_a_time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as err:
        raise PydanticCustomError("time", "write a time such as 2027-01-01T00:00:00Z") from err
    return text


Time = Annotated[
    str,
    Field(max_length=32, pattern=TIME_PATTERN, json_schema_extra={"format": "date-time"}),
    AfterValidator(_is_a_time),
]


class Restriction(Part):
    kind: Literal["MCPServer", "MCPGroup"]
    """Kind of what the token opens. A group's opens the group's members too, and through the group
    alone. Required."""
    namespace: DnsLabel
    """Namespace that it is in. Required."""
    name: Annotated[str, Field(max_length=253, pattern=TARGET_PATTERN)]
    """Its name; `*` stands for all of that kind in the namespace. Required."""


class MCPAccessTokenSpec(Part):
    transitions: ClassVar = (
        Transition(
            cel="self == oldSelf",
            message="a token's spec never changes: delete it, and make another by "
            "`ostiary token create`",
        ),
    )

    user: Annotated[str, Field(max_length=256, pattern=USER_PATTERN)] | None = None
    """The person that the token speaks for, as Kubernetes names them; only they may create it.
    Default: none, and the token is an account of its own."""
    sha256: Annotated[str, Field(max_length=64, pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the whole token, in hex; the token itself is stored nowhere. Made by `ostiary
    token create`: a secret of one's own could be guessed from it. Required."""
    expirationTime: Time
    """When the token ends, at most a year after its creation. Required."""
    restrictTo: Annotated[
        tuple[Restriction, ...],
        Field(min_length=1, max_length=64, json_schema_extra=keyed("kind", "namespace", "name")),
    ]
    """What the token opens, as far as policies there name it too. Required."""

    @property
    def expires(self) -> int:
        """Unix time; a time without an offset does not pass the pattern."""
        return int(datetime.fromisoformat(self.expirationTime).timestamp())


class MCPAccessToken(Part):
    """An access token by its hash, for a person or as an account of its own. Its spec never
    changes; deleting it revokes it."""

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPAccessToken"]
    metadata: Metadata
    spec: MCPAccessTokenSpec
    """Whom it speaks for, and what it opens."""
