"""Older versions of an event are read like the current one; newer ones are refused."""

from typing import Any

import pytest

from projections import Patch, project
from registry.errors import SchemaTooNew
from registry.events import upcasting
from registry.events.accounts import AccountRenamed
from registry.events.codec import parse
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast


def renamed(version: int, data: dict[str, Any]) -> StoredEvent:
    return StoredEvent("id", 2, "AccountRenamed", version, "2030-01-01 00:00:00", data)


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """AccountRenamed as if it were at version 3: version 1 said `name`, version 2 no former one."""
    monkeypatch.setitem(upcasting.CURRENT_VERSIONS, "AccountRenamed", 3)
    monkeypatch.setitem(
        upcasting.UPCASTERS,
        ("AccountRenamed", 1),
        lambda data: {"account_name": data["name"]},
    )
    monkeypatch.setitem(
        upcasting.UPCASTERS,
        ("AccountRenamed", 2),
        lambda data: {**data, "previous_name": "unknown"},
    )


@pytest.mark.usefixtures("third_version")
@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, {"name": "new"}),
        (2, {"account_name": "new"}),
        (3, {"account_name": "new", "previous_name": "unknown"}),
    ],
)
def test_every_older_version_is_read_step_by_step(version: int, data: dict[str, Any]) -> None:
    event = renamed(version, data)
    assert parse(event) == AccountRenamed(account_name="new", previous_name="unknown")
    (change,) = project(event)
    assert isinstance(change, Patch)
    assert change.values["account_name"] == "new"
    assert upcast(event).schema_version == 3


@pytest.mark.usefixtures("third_version")
def test_what_is_stored_stays_as_it_is() -> None:
    event = renamed(1, {"name": "new"})
    upcast(event)
    assert event.data == {"name": "new"}


def test_an_event_of_today_is_the_same_object() -> None:
    event = renamed(1, {"account_name": "new", "previous_name": "old"})
    assert upcast(event) is event


def test_a_newer_version_is_refused_and_not_guessed_at() -> None:
    event = renamed(2, {"account_name": "new", "previous_name": "old"})
    for read in (parse, project, upcast):
        with pytest.raises(
            SchemaTooNew, match=r"newer program wrote AccountRenamed in version 2, and .* knows 1"
        ) as newer:
            read(event)
        assert newer.value.hint == "Update account-registry."
