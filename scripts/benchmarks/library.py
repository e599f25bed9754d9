"""The Python library `eventsourcing` as a peer of a rebuild: its projection runner.

The same events as JSON, recorded by the library itself, and projected by its ProjectionRunner
into a table of the same columns: one transaction an event, which is how it is made.
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
    """An event of the library: one of ours inside."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.made = made


class JsonMapper:
    """Reads what was recorded; as little as an event can be."""

    def to_domain_event(self, stored: LibraryEvent) -> Happened:
        """See the library's Mapper."""
        return Happened(json.loads(stored.state))


class Accounts(Application[uuid.UUID]):
    """An application that only holds events."""

    def construct_mapper(self) -> Any:
        """See the library's Application."""
        return JsonMapper()


class View(PostgresTrackingRecorder):
    """The tables, and how far they are, in one transaction an event."""

    def apply(self, made: dict[str, Any], tracking: Tracking) -> None:
        """Applies one event with the SQL of the live projection."""
        stored = StoredEvent(
            made["stream_id"], made["version"], made["type"], 1, made["at"], made["data"]
        )
        with self.datastore.get_connection() as connection, connection.transaction():
            with connection.cursor() as cursor:
                self._insert_tracking(cursor, tracking)
            change = project(stored)
            if change is not None:
                apply_to_tables(connection, change)


class Tables(Projection[View]):
    """Every event to the view."""

    topics = ()

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """See the library's Projection."""
        self.view.apply(domain_event.made, tracking)


@contextmanager
def recorded(address: str, events: Iterable[Made]) -> Iterator[tuple[dict[str, str], int]]:
    """Records events with the library; gives its settings and how many there are."""
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
    """Seconds until the runner has projected all of them, from the first."""
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Accounts, projection_class=Tables, view_class=View, env=settings
    ) as runner:
        runner.wait(events, timeout=_PATIENCE)
    return time.perf_counter() - started
