"""Rollbacks without a database: the state of the tables, and the result of a plan."""

import copy
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from projections import TABLES, project, versions
from projections.rows import Row, Table
from registry.events.base import EventModel
from registry.rebuild.ledger import Ledger, reduced
from registry.rules import rollback as rules
from registry.rules.account_state import AccountState
from registry.rules.rollback import Histories, Plan, World
from support.states import after, history
from support.stories import EXCHANGES

IDS: Final = {
    name: uuid.UUID(int=0xA + number)
    for number, name in enumerate(("alpha", "beta", "gamma", "delta"))
}
OF_A_ROLLBACK: Final[dict[str, set[str]]] = {
    "accounts": {"updated_at"},
    "account_exchange_credentials": {"updated_at"},
    "account_exchange_sharing": {"created_at", "updated_at"},
    "account_access": {"granted_at"},
    "account_exchange_credential_versions": {"stream_version", "updated_at"},
    "strategy_positions": set(),
}
"""The columns whose times, in changed rows, are those of the rollback."""
NAMES: Final = {str(account_id): name for name, account_id in IDS.items()}


def details(table: Table, number: int = 1) -> dict[str, Any]:
    """A value for each detail of a table, so that a new detail is covered here."""
    samples: dict[str, list[Any]] = {
        "varchar": [f"x{number}"],
        "text": [f"x{number}"],
        "timestamp": [dt.datetime(2040, 1, number, tzinfo=dt.UTC)],
        "jsonb": [{"n": number}, [f"x{number}"]],
    }
    return {
        name: next(s for s in samples[table.columns[name]] if not table.misfit(_in_row(name, s)))
        for name in table.details
    }


def _in_row(name: str, sample: Any) -> Row:
    return {name: "2040-01-01 00:00:00" if isinstance(sample, dt.datetime) else sample}


def account(name: str, then: Sequence[EventModel], since: Sequence[EventModel] = ()) -> Histories:
    """An account: its events up to the position to go back to, and those since."""
    account_id = IDS[name]
    return Histories(
        str(account_id),
        after(*then, account=account_id),
        after(*then, *since, account=account_id),
    )


def world_of(*accounts: Histories) -> World:
    """The tables if there are no other accounts, and no secrets were destroyed."""
    states = [state for one in accounts for state in (one.then, one.now)]
    return World(
        data_keys=frozenset(key for state in states for key in state.sealed),
        owners={position: None for s in states for position in _table(s, "strategy_positions")}
        | {
            position: row["account_id"]
            for one in accounts
            for position, row in _table(one.now, "strategy_positions").items()
            if row["account_id"] is not None
        },
        names={one.account_id: one.now.name for one in accounts if one.now.exists},
        shares={
            key: (one.account_id, row["shared_account_id"], row["exchange_id"])
            for one in accounts
            for key, row in _table(one.now, "account_exchange_sharing").items()
        },
        roles=frozenset(
            row["role_name"] for s in states for row in _table(s, "account_access").values()
        ),
    )


def planned(*accounts: Histories, **other: Any) -> Plan:
    """The plan for these accounts; `other` overrides parts of the tables' state."""
    return rules.plan(accounts, replace(world_of(*accounts), **other))


def carried_out(plan: Plan, *accounts: Histories) -> dict[str, AccountState]:
    """The accounts after the plan, by their original names.

    The tables must accept each step after the steps before it.
    """
    ledger = Ledger(EXCHANGES.values())
    for table in TABLES:
        for one in accounts:
            for key, row in _table(one.now, table.name).items():
                assert table.partial or not ledger.insert(table, key, reduced(table, row))
    states = {one.account_id: copy.deepcopy(one.now) for one in accounts}
    for position, step in enumerate(plan.steps):
        state = states[str(step.account_id)]
        (event,) = history(step.event, account=step.account_id, first=state.version + 1)
        assert ledger.take(project(event), event.stream_id, position) == "", step
        state.apply(event)
    assert ledger.removed_while_lent == []
    return {NAMES[key]: state for key, state in states.items()}


def contents(state: AccountState) -> dict[str, dict[str, Row]]:
    """All rows of an account, without the times that a rollback sets."""
    return {
        table.name: {
            key: _known(table, row)
            for key, row in _table(state, table.name).items()
            if _matters(state, table, row)
        }
        for table in TABLES
    }


def _matters(state: AccountState, table: Table, row: Row) -> bool:
    """Whether the row says more than that something was once there, which stays."""
    if table == versions.TABLE:
        held = {credential["id"]: credential["data_key_id"] for credential in state.credentials()}
        in_reserve = row["is_pending"] or row["usable_until"] is not None
        return in_reserve if row["credential_id"] in held else False
    return not table.partial or row["account_id"] is not None


def _known(table: Table, row: Row) -> Row:
    def plain(name: str, value: Any) -> Any:
        is_time = table.columns[name] == "timestamp" and value is not None
        return dt.datetime.fromisoformat(value) if is_time else value

    left_out = OF_A_ROLLBACK[table.name]
    return {name: plain(name, value) for name, value in row.items() if name not in left_out}


def lines(plan: Plan) -> list[str]:
    """The plan as people see it."""
    return [f"{line.account} {line.sign} {line.text}" for line in plan.lines]


def _table(state: AccountState, name: str) -> dict[str, Row]:
    return state.rows.get(name, {})
