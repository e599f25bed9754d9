"""Events of an exchange: what its credential consists of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry.events.base import EventModel

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

    exchange: str
    exchange_id: int
    display_name: str
    fields: list[FieldDefinition]
    ccxt_id: str | None = None
