"""The Python API: everything that the command line can do, for programs.

    from registry import Registry, Secret

    with Registry.open() as registry:
        registry.accounts.create("main_bot", reason="first bot")
        keys = {"api_key": Secret("…"), "secret_key": Secret("…")}
        registry.credentials.add("main_bot", "aster", keys)
        registry.history(account="main_bot")

Settings are those of the command line: `DATABASE_URL` or else the embedded database, the master
key, `REGISTRY_ACTOR`. Changes take `actor`, `reason`, `command_id`, `expected_version` and
`dry_run` by name (`registry.facade.context.By`). Errors are classes of `registry.errors`.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from registry.database.target import Target
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.permissions import Permission
from registry.facade.alerting import Alerting
from registry.facade.checking import checked
from registry.facade.context import Context, Opened, log
from registry.facade.given import By, ImportChoices, ignore, optional_path
from registry.facade.reading import Reading
from registry.facade.seeing import Seeing
from registry.facade.stopping import Stopping

if TYPE_CHECKING:
    from registry.encryption.keyring import MasterKeyring
    from registry.execution.executor import Outcome
    from registry.facade.accounts import Accounts
    from registry.facade.backups import Backups
    from registry.facade.credentials import Credentials
    from registry.facade.exchanges import Exchanges
    from registry.facade.exposure import Exposure
    from registry.facade.positions import Positions
    from registry.facade.sharing import AccessOfRoles, Shares
    from registry.facade.views import Views
    from registry.loader import CredentialLoader
    from registry.proofs.bundle import ProvenEvents
    from registry.proofs.checkpoint import Checkpoint
    from registry.rebuild.comparison import Watch
    from registry.rebuild.repair import Rebuilt
    from registry.rules.adoption.rows import Judge
    from registry.services.adoption.adoption import Adoption
    from registry.services.audit.verification import Verdict
    from registry.services.changes.rollback import Preview
    from registry.services.changes.rotation import Rotation
    from registry.services.changes.sessions import Holder
    from registry.services.importing.config_files import ConfigImport
    from registry.services.importing.env_files import EnvImport
    from registry.services.importing.env_folder import EnvFile
    from registry.services.importing.folder import Approve
    from registry.services.reading.as_of import Moment
    from registry.services.schema.mending import Repaired
    from registry.services.schema.schema import BroughtUp, TakenDown

_KEPT_SECONDS = 5.0  # a connection stays open so long for the next call


def _part(home: str, purpose: str) -> Any:
    """A part of a registry, imported on first use: most programs use few."""
    module, _, name = home.partition(".")

    def made(registry: "Registry") -> Any:
        kind = getattr(importlib.import_module(f"registry.facade.{module}"), name)
        return kind(registry._context)  # noqa: SLF001 - a part of it

    made.__doc__ = purpose
    return functools.cached_property(made)


@checked
class Registry(Reading, Stopping, Seeing, Alerting):
    """Accounts, exchange credentials and their sharing; every change is an event.

    Several threads may use it. Connections are opened on demand.
    """

    def __init__(
        self, database: Opened, *, keyring: "MasterKeyring | None" = None, actor: str | None = None
    ) -> None:
        self._context = Context(database, keyring, actor)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        key: Secret | str | None = None,
        actor: str | None = None,
        direct: str | None = None,
    ) -> Self:
        """Opens the registry at an address; the defaults are those of the command line.

        `key` may hold several master keys, newest first. `actor` acts, for the history.
        `direct` is the address of the server itself, if `url` is that of a pooler.
        """
        from registry.database.pool import PooledDatabase
        from registry.encryption.keyring import MasterKeyring

        database = PooledDatabase(Target.given(url, direct), keep=_KEPT_SECONDS, notice=log.warning)
        keys = Secret(key) if isinstance(key, str) else key
        keyring = None if keys is None else MasterKeyring.parse(keys)
        return cls(database, keyring=keyring, actor=actor)

    def close(self) -> None:
        """Closes the connections. The registry cannot be used afterwards."""
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    accounts: "Accounts" = _part("accounts.Accounts", "Bots and wallets.")
    credentials: "Credentials" = _part("credentials.Credentials", "Keys at the exchanges.")
    shares: "Shares" = _part("sharing.Shares", "Credentials that accounts borrow and lend.")
    access: "AccessOfRoles" = _part("sharing.AccessOfRoles", "The accounts of each login role.")
    positions: "Positions" = _part("positions.Positions", "The positions that each account owns.")
    exchanges: "Exchanges" = _part("exchanges.Exchanges", "The exchanges, and their fields.")
    exposure: "Exposure" = _part("exposure.Exposure", "The actual and possible users of a key.")
    views: "Views" = _part("views.Views", "All accounts at once, in pages, for people.")
    backups: "Backups" = _part("backups.Backups", "Backups, and whether they restore.")

    @functools.cached_property
    def loader(self) -> "CredentialLoader":
        """Loads credentials as bots do; each load is a release in the history."""
        from registry.loader import CredentialLoader

        context = self._context
        return CredentialLoader(context, keyring=context.own_keyring, actor=context.actor)

    def verify(
        self,
        *,
        against: Path | str | None = None,
        since: Path | str | None = None,
        key: str | None = None,
        with_keys: bool = True,
        only_log: bool = False,
        processes: int | None = None,
        progress: Callable[[str, int, int], None] = ignore,
    ) -> "Verdict":
        """Verifies the log, and the tables against it; `failures` of the result lists each fault.

        `against` is a file of checkpoints (default: the last one signed here), `key` their public
        key or its file. `since` is one too: only what came after its newest is read, and no table.
        `with_keys` opens each data key. `progress` gets the step, the amount done, and the total.
        """
        from registry.services.audit.checkpoints import known_checkpoints
        from registry.services.audit.verification import Extent, verify

        extent = Extent(
            against=known_checkpoints(optional_path(against or since), key),
            since=known_checkpoints(optional_path(since), key) if since else (),
            with_keys=with_keys,
            keyring=self._context.own_keyring,
            with_projections=not only_log,
            processes=processes,
        )
        return verify(self._context, self._context.target, extent, progress)

    def checkpoint(self, *, append: Path | str | None = None) -> "tuple[Checkpoint, str]":
        """Signs the log's head; returns it with its note, which `append` also adds to a file."""
        from registry.services.audit.checkpoints import sign_checkpoint

        return sign_checkpoint(self._context, optional_path(append))

    def prove(
        self,
        what: int | str,
        exchange: str | None = None,
        *,
        checkpoint: Path | str | None = None,
        subaccount: int | None = None,
        permission: Permission | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """The proof that an event, or an account's credential with its history, is in the log.

        It is a JSON document that holds the encrypted fields too: keep it like a backup.
        """
        from registry.services.audit.checkpoint_store import CheckpointStore
        from registry.services.audit.checkpoints import covering_note
        from registry.services.audit.proving import prove_credential, prove_event
        from registry.services.changes.slot_tasks import SlotName

        verifier, note = CheckpointStore().verifier(key), covering_note(optional_path(checkpoint))
        if isinstance(what, int) and exchange is None:
            return prove_event(self._context, note, verifier, what)
        if isinstance(what, str) and exchange is not None:
            slot = SlotName(exchange, subaccount, permission)
            return prove_credential(self._context, note, verifier, what, slot)
        raise InvalidInput("a proof is of a position, or of an account and an exchange")

    @staticmethod
    def verify_proof(document: Mapping[str, Any], *, key: str | None = None) -> "ProvenEvents":
        """Verifies a proof with the public key; returns its events. Needs no database."""
        from registry.proofs.bundle import verify_bundle
        from registry.services.audit.checkpoint_store import CheckpointStore

        return verify_bundle(document, CheckpointStore().verifier(key))

    def rebuild(
        self,
        *,
        check: bool = False,
        workers: int | None = None,
        watch: "Watch | None" = None,
        **by: Unpack[By],
    ) -> "Rebuilt":
        """Rebuilds the tables from the log; with `check` it only compares them.

        The `report` of the result lists the differences. Rows that do not follow from the log
        are deleted, unless `watch.approve` raises.
        """
        from registry.rebuild.comparison import Options
        from registry.rebuild.rebuild import RebuildService
        from registry.rebuild.repair import Rebuilt

        service = RebuildService(self._context, Options(workers=workers))
        if check:
            return Rebuilt(service.check(watch))
        return service.rebuild(self._context.invocation(by), watch)

    def rollback(
        self,
        to: "Moment | str",
        *,
        account: str | None = None,
        skip: bool = False,
        seen: "Preview | None" = None,
        **by: Unpack[By],
    ) -> "Outcome":
        """Undoes changes to accounts since an event or a time, by new events.

        `skip` leaves out changes that cannot be undone. If a plan is given as `seen` and the
        current plan differs from it, nothing is done.
        """
        from registry.services.changes.rollback import Rollback, roll_back

        request = Rollback.of(to, account=account, skip=skip)
        return roll_back(self._context, request, self._context.invocation(by), seen=seen)

    def plan_rollback(
        self, to: "Moment | str", *, account: str | None = None, skip: bool = False
    ) -> "Preview":
        """The current plan of `rollback`, line by line."""
        from registry.services.changes.rollback import Rollback, preview

        return preview(self._context, Rollback.of(to, account=account, skip=skip))

    def migrate(
        self,
        direction: Literal["up", "down", "repair"],
        *,
        without_rows: Sequence[str] = (),
        **by: Unpack[By],
    ) -> "BroughtUp | TakenDown | Repaired":
        """Migrates the schema up, and restores rows that went down, or takes the tables down.

        `repair` makes what is missing or changed again. It refuses tables whose rows are lost,
        but for those that `without_rows` names. Going down raises TablesDiffer or InUseByOthers
        if the tables cannot be dropped; the log always stays.
        """
        from registry.facade.migrating import migrate

        return migrate(self._context, direction, without_rows, by)

    # ------------------------------------------------------------ taking data in

    def import_env(
        self, account: str, env_file: Path | str, **how: Unpack[ImportChoices]
    ) -> "tuple[EnvImport, Outcome]":
        """Imports the credentials of an env file into an account: all of them, or none.

        The path `-` is standard input.
        """
        from registry.facade.importing import importing

        service, options, invocation = importing(self._context, how)
        return service.env_file(account, Path(env_file), options, invocation)

    def import_folder(
        self, folder: Path | str, *, approve: "Approve" = ignore, **how: Unpack[ImportChoices]
    ) -> "tuple[list[EnvFile], dict[str, Outcome]]":
        """Imports each env file of a folder into the account of its name: all of a file, or none.

        A file that is refused stops no other. `approve` sees the files and the accounts that
        there are; what it raises prevents all.
        """
        from registry.facade.importing import importing
        from registry.services.importing.folder import import_folder

        _, options, invocation = importing(self._context, how)
        context, keyring = self._context, self._context.keyring()
        return import_folder(context, keyring, Path(folder), options, invocation, approve)

    def import_config(
        self,
        account: str,
        file: Path | str | Sequence[Path | str],
        entry: str | None = None,
        **how: Unpack[ImportChoices],
    ) -> "tuple[ConfigImport, Outcome]":
        """Imports plain keys from the JSON of freqtrade, passivbot, ccxt and others.

        Several files are one configuration, later ones over earlier ones; `-` is standard input.
        `entry` or `exchange` chooses from it.
        """
        from registry.facade.importing import importing

        service, options, invocation = importing(self._context, how)
        paths = [Path(one) for one in ([file] if isinstance(file, Path | str) else file)]
        return service.config_file(account, paths, entry, options, invocation)

    def adopt(
        self,
        *,
        judge: "Judge | None" = None,
        legacy_keys: Sequence[Secret] = (),
        progress: Callable[[int, int], None] = ignore,
        **by: Unpack[By],
    ) -> "Adoption":
        """Takes the rows of a bot's own tables into the log: all, or none.

        `judge.undecided` of the result lists open decisions; while there are any, nothing changes.
        """
        from registry.encryption.keyring import MasterKeyring
        from registry.services.adoption.adoption import adopt

        rings = [self._context.keyring(), *map(MasterKeyring.parse, legacy_keys)]
        return adopt(self._context, rings, self._context.invocation(by), judge, progress)

    # ------------------------------------------------------------ keys, and the state of the system

    def rotate_master_key(
        self, *, progress: Callable[[int, int], None] = ignore, **by: Unpack[By]
    ) -> "Rotation":
        """Rewraps all keys with the newest master key; it can be stopped and started again."""
        from registry.services.changes.rotation import rotate

        invocation = self._context.invocation(by)
        return rotate(self._context, self._context.keyring(), invocation, progress)

    def end_session(self, **by: Unpack[By]) -> "Holder | None":
        """Ends the database session that holds the log's lock; returns its holder, or None."""
        from registry.services.changes.sessions import end_first_session

        return end_first_session(self._context, self._context.invocation(by))
