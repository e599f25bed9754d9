"""Events: frozen, strict, stored as text and read back the same."""

import datetime as dt
import json
import typing
import uuid
from typing import Any

import pytest
from pydantic import ValidationError

from registry.encryption.secret import Secret
from registry.errors import SchemaTooNew
from registry.events.accounts import AccountCreated, AccountUpdated
from registry.events.base import EventModel
from registry.events.codec import EVENT_TYPES, parse
from registry.events.credentials import CredentialAdded, CredentialUpdated
from registry.events.exchanges import ExchangeAdded, FieldDefinition
from registry.events.stored import StoredEvent, Stream, utc_text

SLOT: dict[str, Any] = {
    "credential_id": uuid.UUID(int=5),
    "exchange": "aster",
    "exchange_id": 2,
    "subaccount_index": None,
    "permission": "full",
}


def stored(event: EventModel) -> StoredEvent:
    data = json.loads(event.to_json())
    return StoredEvent("s", 1, event.event_type, event.schema_version, "2030-01-01 00:00:00", data)


@pytest.mark.parametrize(
    "event",
    [
        AccountCreated(account_name="größe", metadata={"a": [1, 0.1, None, "\U0001f600"]}),
        AccountUpdated(description=None),
        CredentialAdded(
            **SLOT,
            version=1,
            data_key_id=uuid.UUID(int=6),
            tokens={"api_key": "t"},
            fingerprints={"api_key": "f"},
            expires_at=dt.datetime(2030, 1, 31, 12, tzinfo=dt.UTC),
        ),
        CredentialUpdated(**SLOT, ip_allow_list=["203.0.113.7"]),
        ExchangeAdded(
            exchange="kraken",
            exchange_id=9,
            display_name="Kraken",
            fields=[FieldDefinition(name="api_key", env="KRAKEN_API_KEY")],
        ),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_read_back_as_it_was_written(event: EventModel) -> None:
    again = parse(stored(event))
    assert again == event
    assert again.model_fields_set == event.model_fields_set
    assert again.to_json() == event.to_json()


def test_a_detail_that_was_not_given_is_not_stored_and_a_cleared_one_is() -> None:
    assert AccountUpdated().to_json() == "{}"
    assert AccountUpdated(description=None).to_json() == '{"description":null}'


def test_an_event_cannot_be_changed() -> None:
    event = AccountCreated(account_name="a")
    with pytest.raises(ValidationError):
        event.account_name = "b"  # type: ignore[misc]


def test_a_field_that_an_event_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError):
        parse(StoredEvent("s", 1, "AccountDeactivated", 1, "", {"extra": 1}))


def test_no_event_can_hold_a_secret() -> None:
    for model in EVENT_TYPES.values():
        for field in model.model_fields.values():
            assert Secret not in (field.annotation, *typing.get_args(field.annotation))
    with pytest.raises(ValidationError) as refused:
        AccountCreated(account_name=Secret("canary-5"))  # type: ignore[arg-type]
    assert "canary" not in str(refused.value)


def test_a_refused_value_is_not_in_the_error() -> None:
    with pytest.raises(ValidationError) as refused:
        AccountCreated.model_validate({"account_name": ["canary-5"]})
    assert "canary" not in str(refused.value)


def test_an_event_type_that_is_not_known_is_of_a_newer_program() -> None:
    with pytest.raises(SchemaTooNew, match="AccountTeleported") as newer:
        parse(StoredEvent("s", 1, "AccountTeleported", 1, "", {}))
    assert newer.value.hint == "Update account-registry."


def test_a_moment_is_stored_in_utc_without_an_offset() -> None:
    moment = dt.datetime(2030, 1, 31, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert utc_text(moment) == "2030-01-30 23:30:00.000000"
    with pytest.raises(ValueError, match="needs a time zone"):
        utc_text(dt.datetime(2030, 1, 31))  # noqa: DTZ001 - that is the point


def test_a_stream_is_told_by_its_type_and_id() -> None:
    assert str(Stream("account", uuid.UUID(int=1))) == f"account {uuid.UUID(int=1)}"
