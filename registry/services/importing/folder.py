"""Imports the env files of a folder: each stands for itself, and what is taken is one command."""

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from registry.database.connection import Database
from registry.encryption.keyring import MasterKeyring
from registry.errors import InvalidInput
from registry.execution.executor import Invocation, Outcome
from registry.services.changes.store_many import SeveralAccounts
from registry.services.importing.env_files import held_exchanges
from registry.services.importing.env_folder import (
    EnvFile,
    Surroundings,
    check_all,
    chosen,
    survey,
    with_problems,
)
from registry.services.importing.options import ImportOptions
from registry.services.reading.accounts import list_accounts
from registry.services.reading.exchanges import known_specifications

Approve: TypeAlias = Callable[[list[EnvFile], Collection[str]], None]
"""Called with the files and the accounts that there are, before anything is stored."""


def import_folder(
    database: Database,
    keyring: MasterKeyring,
    folder: Path,
    options: ImportOptions,
    invocation: Invocation,
    approve: Approve,
) -> tuple[list[EnvFile], dict[str, Outcome]]:
    """The files, and by account what became of those that were imported.

    Raises:
        InvalidInput: the folder cannot be read, or what is asked belongs to one account's import.
        RegistryError: no file can be imported, or whatever `approve` raises.
    """
    if invocation.command_id is not None or invocation.expected_version is not None:
        raise InvalidInput("a command's id or a version belongs to one account's import")
    if options.subaccounts.chosen:
        raise InvalidInput(
            "a subaccount belongs to one account's import", hint="Import that file by itself."
        )
    known = Surroundings(
        {spec.name: spec for spec in known_specifications(database)},
        functools.partial(held_exchanges, database),
        {row["account_name"] for row in list_accounts(database)},
        options,
    )

    def several(files: list[EnvFile]) -> SeveralAccounts:
        return SeveralAccounts(
            database,
            keyring,
            chosen(files, create=options.create),
            verb="import-env",
            cascade=options.cascade,
            allow_shared_secret=options.allow_shared_secret,
        )

    files = survey(folder, known)
    files = with_problems(files, several(files).problems())
    approve(files, known.existing)
    check_all(files)
    return files, several(files).store(invocation)
