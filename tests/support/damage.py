"""Statements that drop or change an object of the schema, whatever kind it is of."""

from registry.database.objects import Key, Thing, column_of, made_by_migrations, right_of


def drop(key: Key, thing: Thing) -> str:  # noqa: PLR0911 - one for each kind
    """A statement that drops the object, with what depends on it."""
    name = key.name.removesuffix(f" on {thing.relation}")
    match key.kind:
        case "relation":
            return f"DROP {thing.definition.partition(',')[0]} {key.name} CASCADE"
        case "column":
            column = key.name.removeprefix(f"{thing.relation}.")
            return f"ALTER TABLE {thing.relation} DROP COLUMN {column} CASCADE"
        case "constraint":
            return f"ALTER TABLE {thing.relation} DROP CONSTRAINT {name} CASCADE"
        case "mode of the trigger":
            return f"ALTER TABLE {thing.relation} DISABLE TRIGGER {name}"
        case "trigger" | "policy":
            return f"DROP {key.kind} {key.name}"
        case "owner":
            kind = "FUNCTION" if thing.relation.endswith(")") else "TABLE"
            return f"ALTER {kind} {thing.relation} OWNER TO CURRENT_USER"
        case "right":
            return f"REVOKE {_right(key, thing)} FROM {_grantee(key)}"
    return f"DROP {key.kind} {key.name} CASCADE"


def change(key: Key, thing: Thing) -> str:  # noqa: C901, PLR0911, PLR0912 - a table
    """Statements that leave an object of the same name in another form."""
    name, table = key.name.removesuffix(f" on {thing.relation}"), thing.relation
    match key.kind:
        case "role":
            return f"ALTER ROLE {name} BYPASSRLS"
        case "relation" if thing.definition.startswith("view"):
            return f"ALTER VIEW {name} SET (security_barrier = true)"
        case "relation":
            how = "DISABLE" if "security on" in thing.definition else "ENABLE"
            return f"ALTER TABLE {name} {how} ROW LEVEL SECURITY"
        case "column":
            column = key.name.removeprefix(f"{table}.")
            kind, filled, _ = column_of(thing.definition)
            no_key = f"ALTER TABLE {table} DROP CONSTRAINT {table.split('.')[1]}_pkey CASCADE; "
            other = "DROP NOT NULL" if filled else f"SET DEFAULT coalesce(NULL::{kind}, NULL)"
            alter = f"ALTER TABLE {table} ALTER COLUMN {column} {other}"
            return (no_key if (table, column) in _keys() else "") + alter
        case "constraint":
            drop_it = f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE"
            return f"{drop_it}; ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (TRUE)"
        case "index":
            return f"DROP INDEX {name}; CREATE INDEX {name.split('.')[1]} ON {table} ((1))"
        case "trigger":
            function = "EXECUTE FUNCTION public.audit_refuse_change()"
            create = f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} {function}"
            return f"DROP TRIGGER {key.name}; {create}"
        case "mode of the trigger":
            return f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {name}"
        case "policy":
            return f"ALTER POLICY {key.name} TO registry_auditor"
        case "view":
            return (
                f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM ({thing.definition}) AS v LIMIT 9"
            )
        case "function":
            return f"ALTER FUNCTION {name} SET work_mem = '1MB'"
        case "owner":
            kind = "FUNCTION" if table.endswith(")") else "TABLE"
            return f"REVOKE ALL ON {kind} {table} FROM registry_owner"
    if _grantee(key) == "PUBLIC":
        return f"REVOKE {_right(key, thing)} FROM PUBLIC"  # everybody cannot pass it on
    return f"GRANT {_right(key, thing)} TO {_grantee(key)} WITH GRANT OPTION"


def _keys() -> set[tuple[str, str]]:
    return {
        (thing.relation, thing.definition.removeprefix("PRIMARY KEY (").rstrip(")"))
        for thing in made_by_migrations().values()
        if thing.definition.startswith("PRIMARY KEY")
    }


def _grantee(key: Key) -> str:
    return right_of(key.name)[2].replace("everybody", "PUBLIC")


def _right(key: Key, thing: Thing) -> str:
    privilege, what, _ = right_of(key.name)
    if thing.relation.endswith(")"):
        return f"{privilege} ON FUNCTION {what}"
    name, _, column = what.partition(" (")
    return f"{privilege} ({column} ON {name}" if column else f"{privilege} ON {name}"
