"""Verbs about keys: making and rotating the master key, destroying secrets."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.commands._changes import tell
from registry.commands._options import SlotOptions, Yes
from registry.commands._progress import progress_bar
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import Conflict, InvalidInput
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.encryption.secret import Secret
    from registry.services.changes.rotation import Rotation


@verb()
def generate_key(
    run: Run,
    save: Annotated[
        bool, typer.Option("--save", help="Write it to the default key file, where verbs find it.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to this new file.")
    ] = None,
) -> None:
    """Make a new master key. It goes to a file with mode 0600, or to standard output.

    Keep a copy in another place: without it no credential can be read again.
    """
    from registry.encryption.key_source import FILE_VARIABLE, MASTER_KEY, default_key_file
    from registry.encryption.keyring import MasterKeyring, generate_master_key

    if save and file is not None:
        raise InvalidInput("--save and --file exclude each other")
    key = generate_master_key()
    key_id = MasterKeyring([key]).newest_id
    path = default_key_file() if save else file
    if path is None:
        _print_key(run, key)
        return
    _write_key(path, key)
    for source in MASTER_KEY.named() if save else ():
        run.output.notice(f"Note: verbs take the key from {source.name}, not from this file.")

    def text() -> None:
        run.output.line(f"Wrote master key {key_id} to {path} (mode 0600).")
        run.output.line("Keep a copy in another place: without it no credential can be read again.")
        if not save:
            run.output.line(f"Use it with: export {FILE_VARIABLE}={path}")

    run.output.result({"key_id": key_id, "file": str(path)}, text)


def _print_key(run: Run, key: "Secret") -> None:
    if run.output.as_json:
        raise InvalidInput("a key is not printed as JSON", hint="Use --save or --file FILE.")
    if sys.stdout.isatty():
        run.output.notice("This is a secret. Keep it where your other secrets are:")
    run.output.line(key.reveal())


def _write_key(path: Path, key: "Secret") -> None:
    from registry.encryption.key_file import write_key_file

    try:
        write_key_file(path, key)
    except FileExistsError:
        raise Conflict(
            f"{path} exists already, and a key file is never overwritten",
            hint="The key in it may be the one that opens your credentials.",
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"cannot write {path}: {error.strerror}",
            hint="Name a file in a folder that you can write to with --file FILE.",
        ) from None


@verb(changes=True)
def rotate_master_key(run: Run) -> None:
    """Put all keys under the newest master key.

    What they seal and the log stay as they are.

    Let CREDENTIAL_ENCRYPTION_KEY, its file or its command give NEW,OLD first, for all programs.
    It can be stopped at any moment and started again; afterwards doctor says that OLD can go.
    """
    by = run.by
    if by["command_id"] is not None or by["expected_version"] is not None:
        raise InvalidInput(
            "a rotation is several commands, so it takes no --command-id or --expected-version",
            hint="It can simply be started again.",
        )
    with progress_bar(run.output, "keys") as progress:
        done = run.registry.rotate_master_key(
            progress=functools.partial(progress, "Wrapping"), **by
        )
    data = {
        "master_key_id": done.master_key_id,
        "keys": done.keys,
        "positions": list(done.positions),
        "dry_run": by["dry_run"],
        "remaining": done.remaining,
    }
    run.output.result(data, lambda: _tell_rotation(run, done, dry_run=by["dry_run"]))


def _tell_rotation(run: Run, done: "Rotation", *, dry_run: bool) -> None:
    if dry_run:
        run.output.line(f"Would put {counted(done.remaining, 'key')} under {done.master_key_id}.")
    elif done.keys:
        run.output.line(f"Put {counted(done.keys, 'key')} under master key {done.master_key_id}.")
        run.output.line("The older master keys are not needed any more; see: doctor")
    else:
        run.output.line(f"All keys are under master key {done.master_key_id} already.")


@verb(changes=True)
def destroy_secrets(
    run: Run,
    slot: SlotOptions,
    version: Annotated[
        list[int] | None, typer.Option(metavar="N", min=1, help="This version; may be repeated.")
    ] = None,
    old: Annotated[
        bool, typer.Option("--old", help="All versions that are not in use any more.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Destroy secrets for ever, also of a deleted account.

    The history still verifies.

    A copy of the keys in a backup of the database stays: destroy that as well.
    """
    if bool(version) == old:
        raise InvalidInput("say which: --version N, or --old")
    what = "all old versions" if old else f"version {', '.join(map(str, version or []))}"
    run.confirm(f"Destroy {what} of {slot}, for ever?", yes=yes)
    outcome = run.registry.credentials.destroy_secrets(
        *slot.place, version=version or (), old=old, **slot.which, **run.by
    )
    tell(run, outcome, f"destroyed {what} of {slot}", **slot.facts)
