"""The little that the operator reads of an object's metadata."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from .fields import DnsLabel, Subdomain


class Metadata(BaseModel):
    """Open, unlike everything else: the API server owns it and adds to it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Subdomain
    namespace: DnsLabel = "default"
    uid: str = ""
    """Empty without a cluster."""
    generation: int = 0
    labels: dict[str, str] = {}
    deletionTimestamp: str | None = None
    creationTimestamp: Any = None

    @property
    def created(self) -> datetime:
        """Long ago where nobody wrote it down."""
        try:
            return datetime.fromisoformat(str(self.creationTimestamp)).astimezone(UTC)
        except ValueError:
            return datetime.fromtimestamp(0, UTC)
