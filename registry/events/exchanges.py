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
    kind: str = "text"


class _Definition(EventModel):
    stream_type: ClassVar[StreamType] = "exchange"

    exchange: str
    exchange_id: Number
    display_name: str
    fields: list[FieldDefinition]
    ccxt_id: str | None = None
    nonce_per_key: bool = False


class ExchangeAdded(_Definition):
    """A user defined an exchange; or, without fields, one of the catalog was first used."""


class ExchangeUpdated(_Definition):
    """A user corrected the definition: this one holds from now on."""


class ExchangeRemoved(EventModel):
    """A user removed the definition; the row of `dexes` stays."""

    stream_type: ClassVar[StreamType] = "exchange"

    exchange: str
    exchange_id: Number
