"""Stops releases at once, and takes a stop back; docs/decisions/0015-a-stop-is-an-event.md."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, one_row, read_rows
from registry.errors import CredentialNotFound, InvalidInput, StopNotFound
from registry.events.permissions import Permission
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome, Task
from registry.execution.lookup import account_id, exchange_of, send_exchange
from registry.hints import Blank, Command, Hint, Option
from registry.log.append import NewEvent
from registry.log.ids import STOPS_STREAM
from registry.log.reading import send_versions, versions_of
from registry.rules.account_state import Slot
from registry.rules.stops import what
from registry.services.reading.accounts import Record
from registry.services.reading.lists import stops_in_force
from registry.shown import shown
from registry.values import subaccount_index

if TYPE_CHECKING:
    from registry.events.stops import StopEvent

_QUERIES = load_queries("registry.services.changes", "stops.sql")
_NAMES: Final = ("exchange", "lender", "account", "credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatToStop:
    """What to stop, by name: exactly one of the first five."""

    everything: bool = False
    exchange: str | None = None
    lender: str | None = None
    account: str | None = None
    credential: tuple[str, str] | None = None
    """The account and the exchange."""
    subaccount: int | None = None
    permission: Permission | None = None

    def __post_init__(self) -> None:
        named = self._named()
        if len(named) != 1:
            raise InvalidInput(
                f"{' and '.join(named)} cannot be stopped at once" if named else "what to stop?",
                hint=Hint(
                    "Say one of ",
                    Hint.joined(", ", [Option("everything"), *(Option(n, ...) for n in _NAMES)]),
                    "; several can be stopped one after the other.",
                ),
            )
        if self.credential is not None and len(self.credential) != len(("account", "exchange")):
            raise InvalidInput("a credential is named by an account and an exchange")
        if self.credential is None and (self.subaccount, self.permission) != (None, None):
            raise InvalidInput(
                "a subaccount and a permission belong to a credential",
                hint=Hint("Name it with ", Option("credential", ...), "."),
            )
        if self.subaccount is not None:
            subaccount_index(self.subaccount)

    def _named(self) -> list[str]:
        given = [name for name in _NAMES if getattr(self, name) is not None]
        return ["all", *given] if self.everything else given

    @property
    def scope(self) -> str:
        """See `registry.events.stops.Scope`."""
        return self._named()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedUse:
    """A credential that an account can use today, and cannot use once it is stopped."""

    account: str
    exchange: str
    subaccount_index: int | None
    permission: str
    lender: str | None
    """The owner of the credential, if the account borrows it."""
    sharing_type: str | None
    last_released: Any
    """When the credential was last released, to whomever."""
    open_positions: int
    """Those of the account at the exchange."""
    stopped_already: int | None
    """The position of another stop that includes it."""

    @property
    def slot(self) -> str:
        """The place of the credential, in words."""
        return str(Slot(0, self.exchange, self.subaccount_index, self.permission))


@dataclass(frozen=True, slots=True)
class StopPreview:
    """What a stop would do now."""

    what: str
    """What is stopped, in words; also what is added to it later."""
    uses: list[StoppedUse]


def preview(database: Database, wanted: WhatToStop) -> StopPreview:
    """What `stop` would do now; errors as `stop`."""
    with database.connection() as connection, registry_errors(connection):
        said = _looked_up(connection, wanted)
        rows = read_rows(connection, _QUERIES["uses"], {"stopped": Jsonb(said)})
        return StopPreview(what(said), [StoppedUse(**row) for row in rows])


def stop(database: Database, wanted: WhatToStop, invocation: Invocation) -> Outcome:
    """Stops it: when this has returned, nothing of it is released any more.

    Raises:
        InvalidInput: there is no reason.
        AccountNotFound, ExchangeNotFound, CredentialNotFound: a name leads nowhere.
    """
    if not invocation.dry_run:
        check_reason(invocation.reason)
    return CommandExecutor(database).execute(_StopTask(wanted), invocation)


def check_reason(reason: str | None) -> None:
    """Checks that there is a reason.

    Raises:
        InvalidInput: there is none.
    """
    if not reason:
        raise InvalidInput(
            "a stop needs a reason, which everybody who meets it is told",
            hint=Hint("Give it with ", Option("reason", Blank("TEXT")), "."),
        )


def resume(
    database: Database, name: int | str | uuid.UUID | None, invocation: Invocation
) -> Outcome:
    """Takes back the stop of this position or command id; without a name, the only one.

    Raises:
        StopNotFound: there never was such a stop.
        InvalidInput: the name is neither, or there is none and several stops are in force.
    """
    return CommandExecutor(database).execute(_ResumeTask(name), invocation)


class _StopsTask(Task):
    def send_reads(self, connection: Connection) -> None:
        self._connection = connection
        # Before the stops: what is appended in between makes the version stale.
        self._versions = send_versions(connection, [STOPS_STREAM])

    def _next(self, event: "StopEvent") -> list[NewEvent]:
        version = versions_of(self._versions)[STOPS_STREAM] + 1
        return [NewEvent(STOPS_STREAM, version, event, event.related_account_id)]


class _StopTask(_StopsTask):
    def __init__(self, wanted: WhatToStop) -> None:
        self._wanted = wanted

    def content(self) -> Mapping[str, Any]:
        return {"verb": "stop", **asdict(self._wanted)}

    def decide(self) -> Decided:
        from registry.events.stops import UseStopped

        said = _looked_up(self._connection, self._wanted)
        stops = stops_in_force(self._connection)
        for known in stops:
            if known.said == said:
                return Decided((), notes=(str(known), known.hint))
        event = UseStopped(standing=[stop.position for stop in stops], **said)
        return Decided(self._next(event), notes=(_still_there(said),))


class _ResumeTask(_StopsTask):
    def __init__(self, name: int | str | uuid.UUID | None) -> None:
        self._name = name

    def content(self) -> Mapping[str, Any]:
        return {"verb": "resume", "stop": None if self._name is None else str(self._name)}

    def decide(self) -> Decided:
        from registry.events.stops import UseResumed

        stops = stops_in_force(self._connection)
        if self._name is None and len(stops) > 1:
            raise InvalidInput(
                f"{len(stops)} stops are in force: {'; '.join(map(str, stops))}",
                hint=Hint("Say which, such as ", Command("resume", stops[-1].position), "."),
            )
        if self._name is None and not stops:
            return Decided((), notes=("no stop is in force",))
        found = [stop for stop in stops if self._name is None or stop.has_name(str(self._name))]
        if not found:
            return Decided((), notes=(self._over(),))
        (stop,) = found
        others = [other for other in stops if other != stop]
        standing = [other.position for other in others]
        event = UseResumed(standing=standing, stop=stop.position, **stop.said)
        return Decided(self._next(event), notes=tuple(f"still stopped: {s}" for s in others))

    def _over(self) -> str:
        """When the stop was taken back.

        Raises:
            StopNotFound, InvalidInput: see `resume`.
        """
        name = str(self._name)
        is_position = name.isascii() and name.isdigit() and int(name) < 2**63
        try:
            command_id = None if is_position else uuid.UUID(name)
        except ValueError:
            raise InvalidInput(
                f"{shown(name)} is neither the position of an event nor a command id",
                hint=Hint("See: ", Command("history", event_type="UseStopped")),
            ) from None
        parameters = {"position": int(name) if is_position else None, "command_id": command_id}
        row = self._connection.execute(_QUERIES["event"], parameters).fetchone()
        if row is None or row[1] != "UseStopped":
            what_it_is = f"is no stop: it is {row[1]}" if row else "is not in the log"
            raise StopNotFound(
                f"event {name} {what_it_is}" if is_position else f"no stop has command id {name}",
                hint=Hint("See: ", Command("history", event_type="UseStopped")),
            )
        _, _, stopped, ending, actor, moment = row
        when = f"{moment:%Y-%m-%d %H:%M:%S}Z"
        return f"{what(stopped)} was resumed already by {actor} on {when} (event {ending})"


def _still_there(stopped: Record) -> Hint:
    """What a stop does not do."""
    names = (stopped.get("account", Blank("ACCOUNT")), stopped.get("exchange", Blank("EXCHANGE")))
    return Hint(
        "a program that holds a key keeps it: end the program, and revoke the key at the "
        "exchange. See who has received it: ",
        Command("blast-radius", *names),
    )


def _looked_up(connection: Connection, wanted: WhatToStop) -> Record:
    """What the event of a stop says; the tables know names that are not adopted, too."""
    account, exchange = wanted.credential or (wanted.account or wanted.lender, wanted.exchange)
    said: Record = {"scope": wanted.scope}
    if account is not None:
        said |= {"account_id": str(account_id(connection, account)), "account": account}
    if exchange is not None:
        exchange_id, _ = exchange_of(send_exchange(connection, exchange), exchange)
        said |= {"exchange_id": exchange_id, "exchange": exchange}
    if wanted.credential is None:
        return said
    slot = {"subaccount_index": wanted.subaccount, "permission": wanted.permission}
    row = one_row(connection.execute(_QUERIES["fitting_credentials"], {**said, **slot}))
    if not row[0]:
        raise CredentialNotFound(
            f"account {account} has no such credential for {exchange}",
            hint=Hint("See: ", Command("list-credentials", account)),
        )
    return said | {part: value for part, value in slot.items() if value is not None}
