"""The Python library `eventsourcing` as a peer of a rebuild: its projection runner.

The library records the same events as JSON. Its ProjectionRunner projects them into a table of
the same columns, by its design with one transaction per event.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent as LibraryEvent
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.conninfo import conninfo_to_dict
from support.large_log import Made, recorded_at

from projections import project
from projections.sql_sink import apply_to_tables
from registry.events.stored import StoredEvent, utc_text

_PATIENCE: Final = 600.0


class Happened:
    """An event of the library that wraps one of ours."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.made = made


class JsonMapper:
    """Decodes stored events with as little work as possible."""

    def to_domain_event(self, stored: LibraryEvent) -> Happened:
        """See the library's Mapper."""
        return Happened(json.loads(stored.state))


class Accounts(Application[uuid.UUID]):
    """An application that only holds events."""

    def construct_mapper(self) -> Any:
        """See the library's Application."""
        return JsonMapper()


class View(PostgresTrackingRecorder):
    """The tables and the tracking position, updated in one transaction per event."""

    def apply(self, made: dict[str, Any], tracking: Tracking) -> None:
        """Applies one event with the SQL of the live projection."""
        stored = StoredEvent(
            made["stream_id"], made["version"], made["type"], 1, made["at"], made["data"]
        )
        with self.datastore.get_connection() as connection, connection.transaction():
            with connection.cursor() as cursor:
                self._insert_tracking(cursor, tracking)
            for change in project(stored):
                apply_to_tables(connection, change)


class Tables(Projection[View]):
    """Passes every event to the view."""

    topics = ()

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """See the library's Projection."""
        self.view.apply(domain_event.made, tracking)


@contextmanager
def recorded(address: str, events: Iterable[Made]) -> Iterator[tuple[dict[str, str], int]]:
    """Records events with the library; yields its settings and the number of events."""
    where = conninfo_to_dict(address)
    settings = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": str(where.get("user", "postgres")),
        "POSTGRES_PASSWORD": "",
    }
    application = Accounts(env=settings)
    recorder = application.recorder
    assert isinstance(recorder, PostgresApplicationRecorder)  # noqa: S101 - for the types
    topic, count = get_topic(Happened), 0
    for position, made in enumerate(events):
        stream_id = uuid.UUID(bytes=made.stream_id)
        state = {
            "stream_id": str(stream_id),
            "version": made.stream_version,
            "type": made.event_type,
            "at": utc_text(recorded_at(position)),
            "data": json.loads(made.data),
        }
        text = json.dumps(state).encode()
        recorder.insert_events([LibraryEvent(stream_id, made.stream_version, topic, text)])
        count += 1
    yield settings, count
    application.close()


def projected(settings: dict[str, str], events: int) -> float:
    """The seconds that the runner needs to project all events from the first."""
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Accounts, projection_class=Tables, view_class=View, env=settings
    ) as runner:
        runner.wait(events, timeout=_PATIENCE)
    return time.perf_counter() - started
