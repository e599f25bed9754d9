"""Verbs about the master key."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from registry.commands._run import Run
from registry.commands._verb import verb

app = typer.Typer()


@app.command("generate-key")
@verb("generate-key")
def generate_key(
    run: Run,
    save: Annotated[
        bool, typer.Option("--save", help="Write it to the default key file, where verbs find it.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Write it to this new file.")
    ] = None,
) -> None:
    """Make a new master key, to a file with mode 0600 or to standard output.

    Keep a copy in another place: without it no credential can be read again.
    """
    from registry.encryption.key_file import write_key_file
    from registry.encryption.key_source import FILE_VARIABLE, default_key_file
    from registry.encryption.keyring import MasterKeyring, generate_master_key
    from registry.errors import Conflict, InvalidInput

    if save and file is not None:
        raise InvalidInput("--save and --file exclude each other")
    key = generate_master_key()
    key_id = MasterKeyring([key]).newest_id
    path = default_key_file() if save else file
    if path is None:
        if run.output.as_json:
            raise InvalidInput("a key is not printed as JSON", hint="Use --save or --file FILE.")
        if sys.stdout.isatty():
            run.output.notice("This is a secret. Keep it where your other secrets are:")
        run.output.line(key.reveal())
        return
    try:
        write_key_file(path, key)
    except FileExistsError:
        raise Conflict(
            f"{path} exists already, and a key file is never overwritten",
            hint="The key in it may be the one that opens your credentials.",
        ) from None
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None

    def text() -> None:
        run.output.line(f"Wrote master key {key_id} to {path} (mode 0600).")
        run.output.line("Keep a copy in another place: without it no credential can be read again.")
        if not save:
            run.output.line(f"Use it with: export {FILE_VARIABLE}={path}")

    run.output.result({"key_id": key_id, "file": str(path)}, text)
