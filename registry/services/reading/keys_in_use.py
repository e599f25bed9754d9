"""Keys that several credentials hold now, and keys that are in use again, by fingerprints."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry.catalog.catalog import known
from registry.catalog.specification import is_key
from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries
from registry.rules.account_state import Slot

_QUERIES: Final = load_queries("registry.services.reading", "keys_in_use.sql")


class Holder(NamedTuple):
    """A credential that holds a key."""

    credential_id: uuid.UUID
    account: str
    slot: Slot


class KeyInCommon(NamedTuple):
    """A key, or several fields of one, that at least two credentials hold."""

    fields: Sequence[str]
    holders: Sequence[Holder]

    def __str__(self) -> str:
        accounts = list(dict.fromkeys(holder.account for holder in self.holders))
        slots = list(dict.fromkeys(str(holder.slot) for holder in self.holders))
        hold = "holds" if len(accounts) == 1 else "hold"
        same = f"the same {' and '.join(self.fields)} for {' and '.join(slots)}"
        return f"{' and '.join(accounts)} {hold} {same}"


class KeyUsedAgain(NamedTuple):
    """A key, or several fields of one, that was given up before its credential got it."""

    fields: Sequence[str]
    holder: Holder
    account: str
    """Which account held it before, and where."""
    slot: Slot
    version: int

    def __str__(self) -> str:
        held = f"{self.holder.account} for {self.holder.slot} holds the {' and '.join(self.fields)}"
        if (self.account, self.slot) == self.holder[1:]:
            return f"{held} of its version {self.version} again"
        return f"{held} that {self.account} for {self.slot} held in version {self.version}"


def keys_in_common(
    connection: Connection, account: str | None = None, exchange: str | None = None
) -> list[KeyInCommon]:
    """The keys that several credentials hold; with an account, for its exchanges only."""
    parameters = {"account_name": account, "exchange": exchange}
    fields = defaultdict[tuple[Holder, ...], list[str]](list)
    for name, definition, field, held in connection.execute(_QUERIES["in_common"], parameters):
        if _is_key(name, definition, field):
            holders = [
                Holder(uuid.UUID(key), owner, Slot(0, name, subaccount, permission))
                for owner, permission, subaccount, key in held
            ]
            fields[tuple(holders)].append(field)
    return [KeyInCommon(names, holders) for holders, names in fields.items()]


def held_elsewhere(keys: Sequence[KeyInCommon]) -> Mapping[uuid.UUID, list[dict[str, Any]]]:
    """Credential -> the other credentials that hold a key of it."""
    found = defaultdict[uuid.UUID, list[dict[str, Any]]](list)
    for key in keys:
        for holder in key.holders:
            found[holder.credential_id] += [
                _place(other.account, other.slot, key.fields)
                for other in key.holders
                if other != holder
            ]
    return found


def keys_used_again(
    connection: Connection, account: str | None = None, exchange: str | None = None
) -> list[KeyUsedAgain]:
    """The keys of credentials, all or of one account or exchange, that were given up before."""
    parameters: dict[str, Any] = {"account_name": account, "exchange": exchange}
    in_use = connection.execute(_QUERIES["fields_in_use"], parameters)
    parameters["keys"] = [f"{row[0]} {row[2]}" for row in in_use if _is_key(*row)]
    fields = defaultdict[tuple[Holder, str, Slot, int], list[str]](list)
    for key, owner, name, *rest in connection.execute(_QUERIES["used_again"], parameters):
        subaccount, permission, field, former_owner, former_subaccount, former, version = rest
        holder = Holder(key, owner, Slot(0, name, subaccount, permission))
        before = Slot(0, name, former_subaccount, former)
        fields[holder, former_owner, before, version].append(field)
    return [KeyUsedAgain(names, *key) for key, names in fields.items()]


def held_before(keys: Iterable[KeyUsedAgain]) -> Mapping[uuid.UUID, list[dict[str, Any]]]:
    """Credential -> the versions that held a key of it and gave it up."""
    found = defaultdict[uuid.UUID, list[dict[str, Any]]](list)
    for key in keys:
        before = _place(key.account, key.slot, key.fields)
        found[key.holder.credential_id].append({**before, "version": key.version})
    return found


def _place(account: str, slot: Slot, fields: Sequence[str]) -> dict[str, Any]:
    return {
        "account_name": account,
        "subaccount_index": slot.subaccount_index,
        "permission": slot.permission,
        "fields": list(fields),
    }


def released_lately(
    database: Database, versions: Mapping[uuid.UUID, int]
) -> Mapping[uuid.UUID, dt.datetime]:
    """Credential -> when this version was last released, if within a day by the database's clock.

    The releases of checks do not count.
    """
    if not versions:
        return {}
    asked = {"ids": list(map(str, versions)), "versions": list(map(str, versions.values()))}
    with database.connection() as connection, registry_errors(connection):
        return dict(connection.execute(_QUERIES["released_lately"], asked).fetchall())


def _is_key(exchange: str, definition: Any, field: str) -> bool:
    return is_key(known(exchange, definition), field)
