"""The replay of the changes and the newest releases gives the rows of a replay of every event."""

import uuid
from collections.abc import Iterator
from typing import Any, Final, Literal

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.large_log import Made, load_events
from support.registry_tables import unguarded

from projections.memory_sink import Rows
from registry.errors import LogContradictsItself
from registry.rebuild.judging import judge
from registry.rebuild.replay import Slice, replay, select_events

Connection = psycopg.Connection[Any]
Kind = Literal["add", "replace", "remove", "release", "check", "fallback", "describe"]
Step = tuple[Kind, int, int, int, int]
"""What happens, the account, the credential, its version, and by how long it is recorded late."""

LENDER, OTHER = (uuid.UUID(int=number) for number in (0xA, 0xB))
CREDENTIALS: Final = [uuid.UUID(int=number) for number in (0xC, 0xD)]
KINDS: Final[list[Kind]] = ["add", "replace", "remove", "check", "fallback", "describe"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "release", "release", "release"]),
        st.sampled_from([0, 0, 0, 1]),
        st.integers(0, 1),
        st.integers(1, 2),
        st.sampled_from([0, 5_000, 60_000_000]),
    ),
    max_size=25,
)
ENDS_OF_SPANS: Final = [0, 2**16 - 4, 2**16 - 10]


def made(steps: list[Step]) -> Iterator[Made]:
    """The events of the steps, whether they fit or not."""
    versions: dict[tuple[bytes, uuid.UUID], int] = {}

    def event(kind: str, account: uuid.UUID, data: dict[str, Any], **more: Any) -> Made:
        stream = more.get("stream_type", b"account"), account
        versions[stream] = versions.get(stream, 0) + 1
        return Made(account.bytes, versions[stream], kind, orjson.dumps(data), **more)

    yield event("AccountCreated", LENDER, {"account_name": "lender"})
    yield event("AccountCreated", OTHER, {"account_name": "other"})
    for kind, receiver, number, version, late in steps:
        account = (LENDER, OTHER)[receiver]
        slot = {
            "credential_id": str(CREDENTIALS[number]),
            "exchange": "aster",
            "exchange_id": 2,
            "subaccount_index": number,
            "permission": "full",
        }
        sealed = {
            "version": version,
            "data_key_id": str(uuid.UUID(int=version)),
            "tokens": {"api_key": f"t{version}"},
            "fingerprints": {"api_key": "f"},
        }
        came_back = {"last_used": "2020-01-01T00:00:00Z"} if version > 1 else {}
        lender = LENDER.bytes if receiver else None
        released = {"stream_type": b"release", "related": lender, "late": late}
        of_account: dict[Kind, tuple[str, dict[str, Any]]] = {
            "add": ("CredentialAdded", {**slot, **sealed, **came_back}),
            "replace": ("CredentialReplaced", {**slot, **sealed}),
            "remove": ("CredentialRemoved", slot),
            "check": ("CredentialChecked", {**slot, "outcome": "valid"}),
            "describe": ("CredentialUpdated", {**slot, "label": f"l{late}"}),
        }
        if kind in of_account:
            yield event(of_account[kind][0], LENDER, of_account[kind][1])
        elif kind == "fallback":
            yield event("EnvironmentFallbackUsed", account, {}, **released)
        else:
            purpose = ("load", "reveal")[late % 2]
            data = {**slot, "credential_version": version, "purpose": purpose}
            yield event("CredentialReleased", account, data, **released)


def rows_of(connection: Connection, size: int, *, every: bool, slices: int) -> list[Rows]:
    """The rows of each slice, as a comparison of the tables gets them."""
    selection = select_events(connection, size, tokens=True, every=every)
    try:
        return [replay(connection, selection, Slice(n, slices)) for n in range(slices)]
    except LogContradictsItself:
        skipped = [event.position for event in judge(connection, size)]
        selection = select_events(connection, size, tokens=True, skipped=skipped)
        return [replay(connection, selection, Slice(n, slices)) for n in range(slices)]


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS, st.sampled_from(ENDS_OF_SPANS), st.sampled_from([1, 3]), st.integers(0, 10))
@example([("add", 0, 0, 1, 0), ("release", 0, 0, 1, 0), ("remove", 0, 0, 1, 0)], 0, 1, 0)
@example([("add", 0, 0, 1, 0), ("remove", 0, 0, 1, 0), ("release", 1, 0, 1, 0)], 0, 1, 0)
@example([("release", 0, 0, 1, 0), ("add", 0, 0, 1, 0), ("release", 0, 0, 1, 5000)], 0, 1, 0)
@example([("add", 0, 0, 1, 0), *[("release", 0, 0, 1, 0)] * 12], 2**16 - 10, 1, 3)
def test_it_does_not_matter_which_releases_are_replayed(
    connection: Connection, steps: list[Step], ahead: int, slices: int, before: int
) -> None:
    with unguarded(connection):
        connection.execute("TRUNCATE public.audit_events")
        connection.execute("UPDATE public.audit_head SET size = 0, peaks = '{}'")
        size = load_events(connection, made(steps))
        # As if this happened later in the log.
        connection.execute("UPDATE public.audit_events SET position = position + %s", [ahead])
    for end in {max(0, ahead + size - before), ahead + size}:
        few, all_ = (
            rows_of(connection, end, every=every, slices=slices) for every in (False, True)
        )
        assert few == all_
