"""What all events have in common."""

import uuid
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Origin = Literal["legacy"]
"""Where a row comes from that no command made: a database from before the registry."""


class EventModel(BaseModel):
    """Base of all events.

    A field that was not given is not stored: that is how "not changed" differs from
    "cleared" (`null`) in the events that change some of several fields.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    schema_version: ClassVar[int] = 1

    @property
    def event_type(self) -> str:
        """The name under which the event is stored."""
        return type(self).__name__

    @property
    def related_account_id(self) -> uuid.UUID | None:
        """The other account that the event is about, if there is one."""
        return None

    def to_json(self) -> str:
        """The text that is stored and hashed."""
        return self.model_dump_json(exclude_unset=True)
