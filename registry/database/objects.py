"""The database's objects, and those that are missing or not as the migrations make them.

`migrations/objects.json` lists what the migrations make; `scripts/generate-schema` writes it. So
a comparison reads PostgreSQL's catalogs, with any login, and writes nothing.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import psycopg

from registry.database.connection import Connection
from registry.database.migration_files import folder
from registry.database.queries import load_queries, one_row

_QUERIES = load_queries("registry.database", "objects.sql")

FILE: Final = "objects.json"
BOTS: Final = frozenset(f"public.{name}" for name in ("dexes", "symbols", "strategy_positions"))
"""The bot's tables. The registry needs them, and of their contents only some."""
_USED: Final = frozenset(
    f"public.{name}"
    for name in (
        *("dexes.id", "dexes.name", "symbols.id"),
        *(f"strategy_positions.{name}" for name in ("id", "status", "size_usd", "account_id")),
    )
)
_TAKEN_OVER: Final = frozenset(
    f"public.{name}"
    for name in ("accounts", "account_exchange_credentials", "account_exchange_sharing")
)
"""Tables that may be older than the registry, with rows, defaults and names of their own."""
RULES: Final = (
    *("accounts_account_name_is_clean", "accounts_metadata_is_object"),
    *("account_exchange_credentials_slot", "account_exchange_credentials_has_a_field"),
    "account_exchange_sharing_not_with_itself",
)
"""Constraints of these tables; none of them is there until `adopt` has taken the rows in."""
_OWNER: Final = "registry_owner"
_COLUMN: Final = re.compile(
    r"(?P<type>.*?)(?P<filled> NOT NULL)?(?: DEFAULT (?P<default>.*))?\Z",
    re.DOTALL,  # a default may have several lines
)
_SHORT: Final = 60


class Key(NamedTuple):
    """The kind and the name of an object."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Thing(NamedTuple):
    """The definition of an object, and the relation or function that it belongs to."""

    relation: str
    definition: str


Schema = Mapping[Key, Thing]


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that is missing or changed, or a right that nobody should have."""

    kind: Literal["missing", "changed", "extra"]
    key: Key
    wanted: Thing
    """For a right that nobody should have: what was found."""
    found: Thing | None = None

    def __str__(self) -> str:
        kind, name = self.key.kind, _plain(self.key.name)
        if kind == "right":
            return self._of_a_right(*right_of(self.key.name))
        if kind == "owner":
            lacking = self.found and self.found.definition.replace("without ", "")
            return f"{_OWNER} lacks {lacking} on {name}" if lacking else f"{name} is not {_OWNER}'s"
        if kind == "relation":
            kind = self.wanted.definition.partition(",")[0]
        what = f"the {kind} {name}"
        if self.found is None:
            return f"{what} is missing"
        texts = (self.found.definition, self.wanted.definition or "without rights of its own")
        if any(len(text) > _SHORT or "\n" in text for text in texts):
            return f"{what} is not what the migrations made"
        return f"{what} is {texts[0]}, not {texts[1]}"

    def _of_a_right(self, privilege: str, thing: str, grantee: str) -> str:
        right = f"{privilege} on {_plain(thing)}"
        if self.kind == "missing":
            return f"{grantee} lacks {right}"
        too_much = "no migration grants" if self.kind == "extra" else "it may not pass on"
        return f"{grantee} has {right}, which {too_much}"


def right_of(name: str) -> tuple[str, str, str]:
    """The privilege, the object and the role in the name of a right."""
    privilege, _, rest = name.partition(" on ")
    thing, _, grantee = rest.rpartition(" to ")
    return privilege, thing, grantee


def _plain(name: str) -> str:
    """A name as people say it: without the schema, and a function without its arguments."""
    name = re.sub(rf"^{_OWNER} of ", "", name).replace("public.", "")
    return re.sub(r"(?<=\w)\(.*", "", name)


# ---------------------------------------------------------------- reading


def read_schema(connection: Connection) -> Schema:
    """All objects of the schemas, with names as plain as a search path of `pg_catalog` has them."""
    with connection.transaction():
        connection.execute(_QUERIES["plain_names"])
        return _objects(connection, _QUERIES["definitions"])


@functools.cache
def made_by_migrations() -> Schema:
    """The objects that are the same in every migrated database."""
    rows = json.loads(folder().joinpath(FILE).read_text(encoding="utf-8"))
    return {Key(kind, name): Thing(relation, text) for kind, name, relation, text in rows}


def in_every_database(schema: Schema) -> Schema:
    """The objects of a newly migrated database that every other one has too.

    Of the bot's tables these are the columns that the registry uses, and what is its own.
    """
    relations = {
        key.name: thing.definition for key, thing in schema.items() if key[0] == "relation"
    }
    constraints = {key.name.partition(" on ")[0] for key in schema if key.kind == "constraint"}

    def is_one(key: Key, thing: Thing) -> bool:
        of_bot = thing.relation in BOTS
        match key.kind:
            case "relation":
                return thing.definition.startswith(("table", "view"))
            case "column":
                is_table = relations[thing.relation].startswith("table")
                return is_table and (not of_bot or key.name in _USED)
            case "constraint" if of_bot:
                is_key = thing.definition == "PRIMARY KEY (id)"
                return is_key or key.name.startswith("strategy_positions_account_id")
            case "index":
                ours = not of_bot or key.name.startswith("public.idx_positions_")
                return ours and key.name.removeprefix("public.") not in constraints
        return key.kind != "sequence"

    return {key: thing for key, thing in schema.items() if is_one(key, thing)}


def _objects(connection: Connection, query: bytes, names: list[str] | None = None) -> Schema:
    rows = connection.execute(query, {"names": names} if names else None)
    return {Key(kind, name): Thing(relation, text) for kind, name, relation, text in rows}


# ---------------------------------------------------------------- comparing


def differences(connection: Connection, *, loose: bool | None = None) -> list[Difference]:
    """The objects that are missing or changed; of a missing table it alone, not its parts.

    `loose` is the answer of `not_tightened` from before objects were made again.
    """
    wanted = made_by_migrations()
    roles = [name for kind, name in wanted if kind == "role"]
    with connection.transaction():
        connection.execute(_QUERIES["plain_names"])
        found = {
            **_objects(connection, _QUERIES["definitions"]),
            **_objects(connection, _QUERIES["roles"], roles),
        }
    loose = not_tightened(found) if loose is None else loose
    legacy = loose or _came_from_legacy(connection)
    return list(_Comparison(wanted, found, legacy=legacy, loose=loose).differences())


def _came_from_legacy(connection: Connection) -> bool:
    """Whether the tables are older than the registry, and their rows in the log."""
    try:
        with connection.transaction():
            return bool(one_row(connection.execute(_QUERIES["came_from_legacy"]))[0])
    except psycopg.Error:  # the view is missing, or this login may not read it
        return False


def not_tightened(found: Schema) -> bool:
    """Whether the rules of tables from before the registry are not in force: no `adopt` so far."""
    names = {key.name.partition(" on ")[0] for key in found if key.kind == "constraint"}
    return Key("relation", "public.accounts") in found and names.isdisjoint(RULES)


@dataclass(frozen=True, slots=True)
class _Comparison:
    wanted: Schema
    found: Schema
    legacy: bool
    """Whether the tables may be older than the registry."""
    loose: bool
    """Whether the rules of such tables are not in force yet."""

    def differences(self) -> Iterator[Difference]:
        for key, thing in self.wanted.items():
            there = self.found.get(key)
            if there is None:
                if not self._may_be_missing(key, thing):
                    yield Difference("missing", key, thing)
            elif not self._alike(key, thing, there):
                yield Difference("changed", key, thing, there)
            elif Key("index that is not valid", key.name) in self.found:
                yield Difference("changed", key, thing, Thing(there.relation, "not valid"))
        for key, thing in self.found.items():
            if key not in self.wanted and self._is_too_much(key, thing):
                yield Difference("extra", key, thing)

    def _may_be_missing(self, key: Key, thing: Thing) -> bool:
        owner = thing.relation
        is_part = owner not in (key.name, "") or key.kind == "view"
        if is_part and not self._has(owner):
            return True  # that is the difference
        match key.kind:
            case "right":
                grantee = Key("role", right_of(key.name)[2])
                return grantee in self.wanted and grantee not in self.found
            case "constraint" | "index" if self._is_loose(owner):
                return True
            case "constraint" if owner in BOTS | _TAKEN_OVER:
                return any(
                    there.relation == owner and other.kind == "constraint"
                    and _canonical(other, there.definition) == _canonical(key, thing.definition)
                    for other, there in self.found.items()
                )  # fmt: skip
            case "policy" if "PERMISSIVE" in thing.definition:
                return any(
                    other.kind == "policy" and there.relation == owner
                    and "PERMISSIVE" in there.definition
                    for other, there in self.found.items()
                )  # fmt: skip
        return False

    def _has(self, name: str) -> bool:
        return Key("relation", name) in self.found or Key("function", name) in self.found

    def _is_loose(self, relation: str) -> bool:
        return relation in {*_TAKEN_OVER, "public.strategy_positions"} and self.loose

    def _alike(self, key: Key, thing: Thing, there: Thing) -> bool:
        wanted, found = (_canonical(key, text.definition) for text in (thing, there))
        match key.kind:
            case "relation" if key.name in BOTS:
                return found.startswith(("table", "partitioned table")) and (
                    "security on" in found or "security on" not in wanted
                )
            case "column":
                return self._columns_are_alike(key, thing)
            case "constraint" | "index" if self._is_loose(thing.relation):
                return True
        return wanted == found

    def _columns_are_alike(self, key: Key, thing: Thing) -> bool:
        if thing.relation in BOTS and not key.name.endswith(".account_id"):
            return True
        kind, filled, default = column_of(thing.definition)
        kind_there, filled_there, default_there = column_of(self.found[key].definition)
        if thing.relation in BOTS or self._is_loose(thing.relation):
            return kind == kind_there
        if self.legacy and thing.relation in _TAKEN_OVER:
            return kind == kind_there and (filled_there or not filled)
        return (kind, filled, default) == (kind_there, filled_there, default_there)

    def _is_too_much(self, key: Key, thing: Thing) -> bool:
        """Whether it is a right of everybody, or of a role of ours, to something that is ours."""
        if key.kind != "right" or thing.relation in BOTS or not self._is_ours(thing.relation):
            return False
        grantee = right_of(key.name)[2]
        if grantee == "everybody":
            return not (self.legacy and thing.relation in _TAKEN_OVER)
        return Key("role", grantee) in self.wanted

    def _is_ours(self, name: str) -> bool:
        return Key("relation", name) in self.wanted or Key("function", name) in self.wanted


def column_of(definition: str) -> tuple[str, bool, str | None]:
    """The type of a column, whether it must be filled, and its default."""
    parts = _COLUMN.match(definition)
    assert parts is not None  # noqa: S101 - the pattern matches every text
    return parts["type"], bool(parts["filled"]), parts["default"]


def _canonical(key: Key, text: str) -> str:
    """One text for what PostgreSQL prints in several ways, by its version or after a restore."""
    match key.kind:
        case "view":  # before 16 with the alias of the only table
            return re.sub(r"\b[a-z]\.(?=[\"a-z])", "", text)
        case "constraint":
            return re.sub(r"\(ARRAY\[([^]]*)\]\)::text\[\]", _cast_each, text)
        case "relation" if text.startswith("table"):
            return text.partition(" with ")[0]  # settings of storage are an administrator's
    return text


def _cast_each(array: re.Match[str]) -> str:
    return f"ARRAY[{', '.join(f'({item})::text' for item in array[1].split(', '))}]"
