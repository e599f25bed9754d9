"""Imports a file into one account: reads it, checks its names, and stores its credentials."""

from collections.abc import Sequence
from pathlib import Path

from registry.database.connection import Database
from registry.encryption.keyring import MasterKeyring
from registry.execution.executor import Invocation, Outcome
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, CredentialService
from registry.services.importing.config_files import (
    ConfigImport,
    choose,
    match_fields,
    read_config,
    with_freqtrade,
)
from registry.services.importing.env_files import (
    EnvImport,
    find_credentials,
    held_exchanges,
    read_env_file,
)
from registry.services.importing.names import check_names, said_by_path, said_by_secrets
from registry.services.importing.options import ImportOptions, import_inputs
from registry.services.reading.exchanges import (
    exchange_specifications,
    known_specifications,
    wanted_specifications,
)


class ImportService:
    """Imports files into accounts."""

    def __init__(self, database: Database, keyring: MasterKeyring) -> None:
        self._database = database
        self._keyring = keyring

    def env_file(
        self, account: str, path: Path, options: ImportOptions, invocation: Invocation
    ) -> tuple[EnvImport, Outcome]:
        """Imports an env file; returns its content and the outcome.

        Raises:
            InvalidInput: see `read_env_file`.
            InvalidCredential, NothingToImport: see `find_credentials`.
            OtherAccountNamed: it names another account, and the options do not allow that.
            RegistryError: as `CredentialService.store`.
        """
        specs = wanted_specifications(self._database, options.exchanges)
        variables = with_freqtrade(read_env_file(path, specs), specs)
        if not options.allow_other_account:
            said = [*said_by_path(path), *said_by_secrets(variables, path.name)]
            check_names(self._database, account, said, (spec.name for spec in specs))
        held = held_exchanges(self._database, account, options.subaccounts)
        found = find_credentials(variables, specs, held=held, subaccount=options.subaccounts.get)
        inputs = import_inputs(found.credentials, options.subaccounts)
        made = found.account(account)
        return found, self._store(account, inputs, made, options, invocation, "import-env")

    def config_file(
        self,
        account: str,
        paths: Sequence[Path],
        entry: str | None,
        options: ImportOptions,
        invocation: Invocation,
    ) -> tuple[ConfigImport, Outcome]:
        """Imports the configuration of another program, or the entry of a name.

        Raises:
            InvalidInput: see `read_config` and `choose`.
            InvalidCredential, NothingToImport: see `match_fields`.
            ExchangeNotFound: one of its exchanges is not known.
            OtherAccountNamed: it names another account, and the options do not allow that.
            RegistryError: as `CredentialService.store`.
        """
        file = read_config(paths)
        known = {spec.name for spec in known_specifications(self._database)}
        entries = choose(file.entries, known, entry, options.exchanges)
        specs = exchange_specifications(self._database, (one.exchange or "" for one in entries))
        if not options.allow_other_account:
            said = [*file.names, *(name for entry in entries for name in entry.names)]
            check_names(self._database, account, said, specs)
        found = match_fields(file, entries, specs, options.subaccounts)
        made = CreateAccount(
            account_name=account,
            description=f"Account from {file.format}: {account}",
            metadata={"source": f"{file.format}_config"},
        )
        inputs = import_inputs(found.credentials, options.subaccounts)
        return found, self._store(account, inputs, made, options, invocation, "import-config")

    def _store(
        self,
        account: str,
        inputs: list[CredentialInput],
        made: CreateAccount,
        options: ImportOptions,
        invocation: Invocation,
        verb: str,
    ) -> Outcome:
        return CredentialService(self._database, self._keyring).store(
            account,
            inputs,
            invocation,
            verb=verb,
            create=made if options.create else None,
            cascade=options.cascade,
            allow_shared_secret=options.allow_shared_secret,
        )
