"""The base class of events, and types of their fields."""

import uuid
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from registry.events.stored import StreamType

Origin = Literal["legacy"]
"""The origin of a row that no command made: a database from before the registry."""

Number: TypeAlias = Annotated[int, Field(gt=0, lt=2**31)]
"""A number that fits an integer column, counted from 1."""

Index: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
"""The same, counted from 0."""

COUNTS_EVENTS: Final[JsonDict] = {"counts_events": True}
"""Marks a number that each event raises by at most 1: it never exceeds the stream's version."""


class EventModel(BaseModel):
    """Base of all events.

    A field that was not given is not stored. In events that change some of several fields,
    this distinguishes "not changed" from "cleared" (`null`).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        defer_build=True,  # a command needs few of the models
    )

    schema_version: ClassVar[int] = 1
    stream_type: ClassVar[StreamType] = "account"

    @property
    def event_type(self) -> str:
        """The name under which the event is stored."""
        return type(self).__name__

    @property
    def related_account_id(self) -> uuid.UUID | None:
        """The id of the other account that the event concerns, if any."""
        return None

    def to_json(self) -> str:
        """The text that is stored and hashed."""
        return self.model_dump_json(exclude_unset=True)
