"""Events of an exchange: the definition of its credential's fields."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from registry.events.base import EventModel, Number
from registry.events.stored import StreamType

FieldType = Literal["text", "integer"]


class FieldDefinition(BaseModel):
    """One field of an exchange's credential."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    env: str
    secret: bool = True
    required: bool = True
    type: FieldType = "text"
    default: str | None = None
    ccxt: str | None = None


class ExchangeAdded(EventModel):
    """A user defined an exchange that the built-in catalog does not have."""

    stream_type: ClassVar[StreamType] = "exchange"

    exchange: str
    exchange_id: Number
    display_name: str
    fields: list[FieldDefinition]
    ccxt_id: str | None = None
