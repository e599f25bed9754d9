"""Converts the data of older events to the current schema version."""

from collections.abc import Callable
from typing import Any, Final

from registry.errors import SchemaTooNew
from registry.events.stored import StoredEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

CURRENT_VERSIONS: Final[dict[str, int]] = {}
"""The current schema version of each event type that is past version 1."""

UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}
"""(event type, version) -> function that converts the data to version + 1."""


def upcast(event: StoredEvent) -> StoredEvent:
    """The event with its data in the current form.

    Raises:
        SchemaTooNew: the event was written by a newer version of this program.
    """
    current = CURRENT_VERSIONS.get(event.event_type, 1)
    if event.schema_version == current:
        return event
    if event.schema_version > current:
        raise SchemaTooNew(
            f"a newer program wrote {event.event_type} in version {event.schema_version}, "
            f"and this one knows {current}",
            hint="Update account-registry.",
        )
    data = event.data
    for version in range(event.schema_version, current):
        data = UPCASTERS[event.event_type, version](data)
    return event._replace(schema_version=current, data=data)
