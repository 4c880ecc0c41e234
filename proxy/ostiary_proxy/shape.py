"""What every part of the config document is: closed, frozen, and written sparsely.

A field at its default is left out, so that a proxy of the version before, which refuses fields that
it does not know, can read every document that uses none of the new ones.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

ALWAYS_WRITTEN: Final = ("format", "kind")
"""What tells a reader how to read the rest."""


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _sparse(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in whole(self).items()
            if name in ALWAYS_WRITTEN or getattr(self, name) != fields[name].default
        }
