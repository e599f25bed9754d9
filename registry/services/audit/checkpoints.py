"""Signs checkpoints of the log, and checks that it continues earlier checkpoints."""

from pathlib import Path
from typing import Final

from registry.database.connection import Connection, Database, registry_errors
from registry.database.durability import wait_until_durable
from registry.database.snapshot import one_moment
from registry.errors import InvalidInput, LogRewritten, NotFound
from registry.hints import Command, Hint
from registry.log.findings import missing_positions
from registry.log.merkle import is_consistent
from registry.log.tree import read_consistency, read_head, read_root
from registry.machine import text_of_file
from registry.plurals import counted
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import Verifier, split_notes
from registry.services.audit.checkpoint_store import CheckpointStore, append_note, is_there

_MAX_NOTES: Final = 64 * 1024 * 1024


def sign_checkpoint(database: Database, append: Path | None = None) -> tuple[Checkpoint, str]:
    """Signs a checkpoint of the current log, stores it, and optionally appends it to a file.

    Raises:
        LogRewritten: the log does not continue the last checkpoint or the last one in the
            file, or its head does not follow from its events.
        InvalidProof: this key did not sign the last checkpoint or that in the file.
        CheckpointKeyMissing, CheckpointKeyMalformed: see `CheckpointStore.signer`.
    """
    store = CheckpointStore()
    signer = store.signer()
    with store.locked():
        appended = [] if append is None or not is_there(append) else _notes_of(append)
        remembered = store.last()
        before = {note for note in (remembered, *appended[-1:]) if note is not None}
        with database.connection() as connection, registry_errors(connection):
            with one_moment(connection):
                checkpoint = current_checkpoint(connection, signer.verifier.name)
                for note in before:
                    check_continues(connection, read_checkpoint(note, signer.verifier), checkpoint)
            # Events are visible a moment before they are on disk. If a crash lost signed events,
            # an honest log would look like a rewritten one.
            wait_until_durable(connection)
        note = checkpoint.sign(signer)
        store.remember(note)
        if append is not None and appended[-1:] != [note]:
            append_note(append, note)
    return checkpoint, note


def read_checkpoints(path: Path, verifier: Verifier) -> list[Checkpoint]:
    """The checkpoints of a file, all signed by this key.

    Raises:
        InvalidInput: the file cannot be read, or is empty.
        InvalidProof: it holds something other than checkpoints signed by this key.
    """
    notes = _notes_of(path)
    if not notes:
        raise InvalidInput(f"{path} holds no checkpoint")
    return [read_checkpoint(note, verifier) for note in notes]


def known_checkpoints(path: Path | None, key: str | None) -> list[Checkpoint]:
    """The checkpoints for a verification: those of a file, or else the last one signed here.

    Raises:
        CheckpointKeyMissing, CheckpointKeyMalformed: there is no valid public key.
        InvalidInput, InvalidProof: see `read_checkpoints`.
    """
    store = CheckpointStore()
    if path is not None:
        return read_checkpoints(path, store.verifier(key))
    last = store.last()
    return [] if last is None else [read_checkpoint(last, store.verifier(key))]


def covering_note(path: Path | None) -> str:
    """The note for a proof: the last one of a file, or the last one signed here.

    Raises:
        NotFound: there is none.
        InvalidInput, InvalidProof: the file cannot be read, or is not a file of notes.
    """
    notes = [CheckpointStore().last()] if path is None else _notes_of(path)
    if not notes or notes[-1] is None:
        raise NotFound(
            "there is no checkpoint to prove anything against",
            hint=Hint("Sign one first: ", Command("checkpoint")),
        )
    return notes[-1]


def current_checkpoint(connection: Connection, origin: str) -> Checkpoint:
    """The unsigned checkpoint of the current log.

    Raises:
        LogRewritten: the head does not follow from the events.
    """
    head = read_head(connection)
    if read_root(connection, head.size) != head.root:
        raise LogRewritten(
            f"the head of the log does not follow from its {counted(head.size, 'event')}",
            hint=Hint("Run: ", Command("verify")),
        )
    return Checkpoint(origin, head.size, head.root)


def check_continues(connection: Connection, old: Checkpoint, new: Checkpoint) -> None:
    """Proves that the log of the new checkpoint begins with all events of the old one.

    Raises:
        LogRewritten: the log is shorter, or its first events have changed.
    """
    if old.size > new.size:
        raise LogRewritten(
            f"a checkpoint was signed over {counted(old.size, 'event')}, and the log has "
            f"{new.size:,}: " + missing_positions(new.size, old.size),
            hint="Events were deleted, or the database is an older copy.",
        )
    path = read_consistency(connection, old.size, new.size)
    if not is_consistent(old.size, old.root, new.size, new.root, path):
        raise LogRewritten(
            f"the first {counted(old.size, 'event')} of the log are not what was signed",
            hint=Hint("Run: ", Command("verify")),
        )


def _notes_of(path: Path) -> list[str]:
    # A note that passed through another system may have CRLF line ends.
    return split_notes(text_of_file(path, limit=_MAX_NOTES).replace("\r\n", "\n"))
