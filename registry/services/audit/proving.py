"""Makes proofs: events with their paths to the root of a signed checkpoint."""

from typing import Any

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries
from registry.database.snapshot import one_moment
from registry.errors import CredentialNotFound, NotFound
from registry.execution.lookup import account_id, exchange_of, send_exchange
from registry.hints import Command, Hint
from registry.log.rows import copy_leaves
from registry.log.tree import read_inclusion
from registry.plurals import counted
from registry.proofs.bundle import EventProof, write_bundle
from registry.proofs.checkpoint import read_checkpoint
from registry.proofs.note import Verifier
from registry.services.changes.slot_tasks import SlotName

_QUERIES = load_queries("registry.services.audit", "proving.sql")


def prove_event(database: Database, note: str, verifier: Verifier, position: int) -> dict[str, Any]:
    """Proves that an event is in the log of a checkpoint.

    Raises:
        NotFound: the checkpoint's log has no such event.
        LogRewritten: the log lacks a part of its tree.
        InvalidProof: the note is not a checkpoint that this key signed.
    """
    with database.connection() as connection, registry_errors(connection), one_moment(connection):
        return _prove(connection, {"position": position}, note, verifier, [position])


def prove_credential(
    database: Database, note: str, verifier: Verifier, account: str, slot: SlotName
) -> dict[str, Any]:
    """Proves all events of one credential up to a checkpoint, its releases included.

    Raises:
        AccountNotFound, ExchangeNotFound: no account or exchange has this name.
        CredentialNotFound: the slot never held a credential before the checkpoint.
        LogRewritten: the log lacks a part of its tree.
        InvalidProof: the note is not a checkpoint that this key signed.
    """
    with database.connection() as connection, registry_errors(connection), one_moment(connection):
        exchange_of(send_exchange(connection, slot.exchange), slot.exchange)
        parameters = {
            "account_id": account_id(connection, account, also_former=True),
            "exchange": slot.exchange,
            "subaccount_index": slot.subaccount_index,
            "permission": slot.permission,
            "size": read_checkpoint(note, verifier).size,
        }
        rows = connection.execute(_QUERIES["credential_positions"], parameters).fetchall()
        if not rows:
            raise CredentialNotFound(
                f"account {account} had no credential for {slot.exchange} at the checkpoint",
                hint=Hint("Sign a new checkpoint first: ", Command("checkpoint")),
            )
        about = {
            "account": account,
            **slot.content(),
            "credential_ids": sorted({credential_id for _, credential_id in rows}),
        }
        return _prove(connection, about, note, verifier, [position for position, _ in rows])


def _prove(
    connection: Connection,
    about: dict[str, Any],
    note: str,
    verifier: Verifier,
    positions: list[int],
) -> dict[str, Any]:
    checkpoint = read_checkpoint(note, verifier)
    if not all(0 <= position < checkpoint.size for position in positions):
        raise NotFound(
            f"the checkpoint's log has {counted(checkpoint.size, 'event')}, "
            f"so no position {positions[-1]}",
            hint=Hint("For a newer event sign a new checkpoint first: ", Command("checkpoint")),
        )
    paths = read_inclusion(connection, positions, checkpoint.size)
    leaves = copy_leaves(connection, positions)
    events = [
        EventProof(position, leaf, path)
        for position, leaf, path in zip(positions, leaves, paths, strict=True)
    ]
    return write_bundle(about, note, events)
