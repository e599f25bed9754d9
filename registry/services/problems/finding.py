"""Finds the problems: a few queries of one moment, each cheap enough to ask every minute."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.outside import send_outside, sentence
from registry.database.queries import load_queries
from registry.database.snapshot import one_moment
from registry.events.credentials import DEAD
from registry.execution.lookup import check_names
from registry.hints import Blank, Command, Hint
from registry.log.reading import events_before
from registry.plurals import counted
from registry.rebuild.readiness import PENDING, adoption_pending
from registry.rules.account_state import Slot
from registry.services.problems.kinds import DUE, KindName, Problem, in_order
from registry.services.problems.outside import NO_FILES, Files
from registry.services.reading.keys_in_use import Holder, keys_in_common, keys_used_again
from registry.services.reading.lists import stops_in_force
from registry.services.reading.versions import Held, held_in

_QUERIES = load_queries("registry.services.problems", "problems.sql")
_SHARE: Final = 0.8
_PLACES: Final = dt.timedelta(days=1)
_GRACE: Final = dt.timedelta(hours=6)
_HELD: Final = dt.timedelta(days=30)
"""Whoever has not asked for longer is likely gone."""
_FALLBACKS: Final = dt.timedelta(days=7)


def problems(
    database: Database,
    account: str | None = None,
    *,
    kind: KindName | None = None,
    files: Files,
) -> list[Problem]:
    """All problems, or those of an account or a kind, the worst first.

    Raises:
        AccountNotFound: no account has this name.
        InvalidInput: a file cannot be read.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, None)
        found = found_in(connection, files)
    return [p for p in found if account in (None, p.account, *p.also) and kind in (None, p.kind)]


def found_in(connection: Connection, files: Files = NO_FILES) -> list[Problem]:
    """All problems of one moment, by severity."""
    with one_moment(connection):
        return found_within(connection, files)


def found_within(connection: Connection, files: Files) -> list[Problem]:
    """The same in a transaction that sees one moment."""
    finders: list[Callable[[Connection], Iterator[Problem]]] = [
        *(_credentials, _keys, _places, _fallbacks, _held, _limits, _stops, _outside, _drift),
        *(files.uncovered, files.lagging),
    ]
    return in_order([problem for finder in finders for problem in finder(connection)])


def _credentials(connection: Connection) -> Iterator[Problem]:
    asked = {"span": DUE, "dead": list(DEAD)}
    for row in connection.execute(_QUERIES["credentials"], asked):
        account, exchange, subaccount, permission, key, ends, has_expired, *checked = row
        slot = Slot(0, exchange, subaccount, permission)
        if ends is not None and (has_expired or ends <= now() + DUE):
            word = "expired" if has_expired else "expires"
            yield Problem(
                kind="expired" if has_expired else "due",
                account=account,
                exchange=exchange,
                text=f"the key of {account} for {slot} {word} on {ends:%Y-%m-%d}",
                hint=Hint(
                    "Bring the next key into use: ",
                    Command("rotate-credential", account, exchange, **_which(slot)),
                ),
                since=ends if has_expired else ends - DUE,
                about=key,
            )
        outcome, differences, when = checked
        if outcome is not None:
            said = f"differs in {' and '.join(differences)}" if differences else ""
            if outcome in DEAD:
                said = outcome.replace("_", " ")
            again = Command("check-credential", account, exchange, **_which(slot), record=True)
            yield Problem(
                kind="failed_check",
                account=account,
                exchange=exchange,
                text=f"the last check of the key of {account} for {slot} said: {said}",
                hint=Hint("When it is mended, ask again: ", again),
                since=when,
                about=key,
            )


def _keys(connection: Connection) -> Iterator[Problem]:
    for common in keys_in_common(connection):
        first = common.holders[0]
        yield Problem(
            kind="same_key",
            account=first.account,
            exchange=first.slot.exchange,
            text=str(common),
            also=tuple(sorted({h.account for h in common.holders} - {first.account})),
            hint=Hint("Give each its own: ", _replace(common.holders[-1])),
            about=" ".join(str(holder.credential_id) for holder in common.holders),
        )
    for again in keys_used_again(connection):
        holder = again.holder
        yield Problem(
            kind="key_used_again",
            account=holder.account,
            exchange=holder.slot.exchange,
            text=str(again),
            hint=Hint(
                "Somebody may know it: make a new one at the exchange, and store it: ",
                _replace(holder),
            ),
            about=f"{holder.credential_id} {again.account} {again.slot} {again.version}",
        )


def _places(connection: Connection) -> Iterator[Problem]:
    start = events_before(connection, now() - _PLACES)
    for row in connection.execute(_QUERIES["places"], {"from": start}):
        account, exchange, subaccount, permission, key, places, since = row
        slot = Slot(0, exchange, subaccount, permission)
        yield Problem(
            kind="second_user",
            account=account,
            exchange=exchange,
            text=f"{account} received the key for {slot} as {' and as '.join(places)}",
            hint=Hint(
                "If you do not know one of them, see what it had, and replace the key: ",
                Command("blast-radius", account, exchange),
            ),
            since=since,
            about=key,
        )


def _fallbacks(connection: Connection) -> Iterator[Problem]:
    start = events_before(connection, now() - _FALLBACKS)
    for account, exchange, since, times in connection.execute(
        _QUERIES["fallbacks"], {"from": start}
    ):
        yield Problem(
            kind="fallback",
            account=account,
            exchange=exchange,
            text=f"{account} took its {exchange} key from its environment "
            f"({counted(times, 'time')})",
            hint=Hint("Store it here: ", Command("import-env", account, Blank("ENV_FILE"))),
            since=since,
        )


def _held(connection: Connection) -> Iterator[Problem]:
    """Programs that may still hold a former version that is over, or nearly."""
    moment = now()
    found = defaultdict[tuple[str, str, str], list[Held]](list)
    for one in held_in(connection):
        ends = one.usable_until
        is_over = one.state == "retired" or (ends is not None and ends <= moment + _GRACE)
        is_lately = one.last_received >= moment - _HELD
        if is_over and is_lately and not one.purpose.startswith("reveal "):
            key = f"{one.credential_id} {one.version}"
            found[one.held_by, one.exchange, key].append(one)
    for (holder, exchange, about), receipts in found.items():
        one = receipts[0]
        slot = Slot(0, exchange, one.subaccount_index, one.permission)
        yield Problem(
            kind="held",
            account=holder,
            exchange=exchange,
            text=f"{holder} may still hold version {one.version} of the key of "
            f"{one.account_name} for {slot}, which is {one.state}",
            hint=Hint(
                "Let its programs load anew; see which: ",
                Command("list-credentials", one.account_name, held=True),
            ),
            also=() if one.account_name == holder else (one.account_name,),
            since=one.since,
            about=about,
        )


def _limits(connection: Connection) -> Iterator[Problem]:
    for account, name, used, most in connection.execute(_QUERIES["limits"], {"share": _SHARE}):
        change = Command("update-account", account, set={name: Blank("NUMBER")})
        yield Problem(
            kind="limit",
            account=account,
            text=f"{account} uses {used.normalize():f} of {name}={most.normalize():f}",
            hint=Hint(
                "Its open positions are in: ",
                Command("list-positions", account),
                "; another limit: ",
                change,
            ),
            about=name,
        )


def _stops(connection: Connection) -> Iterator[Problem]:
    for stop in stops_in_force(connection):
        yield Problem(
            kind="stopped",
            account=stop.account,
            exchange=stop.exchange,
            text=str(stop),
            hint=stop.hint,
            since=stop.stopped_at,
            about=str(stop.position),
        )


def _outside(connection: Connection) -> Iterator[Problem]:
    allow = {"allowed_exchanges": Blank("LIST")}
    for account, exchange, what in send_outside(connection, None).fetchall():
        yield Problem(
            kind="not_allowed",
            account=account,
            exchange=exchange,
            text=sentence(account, exchange, what),
            hint=Hint(
                "End what is refused, or name the exchange there: ",
                Command("update-account", account, set=allow),
            ),
        )


def _drift(connection: Connection) -> Iterator[Problem]:
    """What a look at the newest events shows; `rebuild` with `check` compares every column."""
    if adoption_pending(connection):
        hint = Hint("Take them in: ", Command("adopt", dry_run=True))
        yield Problem(kind="not_adopted", text=PENDING, hint=hint)
        return
    hint = Hint("Compare, and then repair: ", Command("rebuild", check=True))
    for row in connection.execute(_QUERIES["rows_without_events"]).fetchall():
        account, exchange, subaccount, permission = row
        text = f"the log has no account {account}, but the table has"
        if exchange is not None:
            slot = Slot(0, exchange, subaccount, permission)
            text = f"the log stored no such version of the key of {account} for {slot}"
        about = f"{subaccount} {permission}"
        yield Problem(
            kind="drift", account=account, exchange=exchange, text=text, hint=hint, about=about
        )
    for (account,) in connection.execute(_QUERIES["events_without_rows"]).fetchall():
        text = f"the account {account} is in the log, and not in the table"
        yield Problem(kind="drift", account=account, text=text, hint=hint, about="missing")


def _replace(holder: Holder) -> Command:
    slot = holder.slot
    return Command("replace-credential", holder.account, slot.exchange, **_which(slot))


def _which(slot: Slot) -> dict[str, Any]:
    permission = None if slot.permission == "full" else slot.permission
    return {"subaccount": slot.subaccount_index, "permission": permission}
