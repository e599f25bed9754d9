"""Adopting the rows of a bot's own tables."""

import contextlib
import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from support.bots import login_role
from support.catalogs import tables_in_catalog
from support.legacy import LATER_TABLES, LIGHTER, Json, LegacyDatabase, fill_well
from support.rolling_back import details
from support.world import CALLER, World

from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from projections.rows import Table
from registry import Registry
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import (
    AccountExists,
    AccountNotFound,
    AdoptionPending,
    InvalidInput,
    PermissionDenied,
    RegistryError,
)
from registry.execution.executor import Invocation
from registry.loader import CredentialLoader
from registry.rebuild.rebuild import RebuildService
from registry.rules.adoption.rows import Decision, Judge
from registry.services.adoption.adoption import Adoption, adopt
from registry.services.releases.launching import variables
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

BY = Invocation(actor="owner@host", reason="moving in")
DRY = Invocation(actor="owner@host", dry_run=True)


class Move:
    """A bot's database and the steps of its move."""

    def __init__(self, address: str, connection: psycopg.Connection[Any]) -> None:
        self.bot = LegacyDatabase(connection)
        self.address = address
        self.database = SingleConnection(Target(address))

    @property
    def keyring(self) -> MasterKeyring:
        return MasterKeyring([Secret(self.bot.key)])

    def up(self) -> None:
        Migrator(self.bot.connection).up()

    def adopt(
        self,
        *decisions: tuple[str, Any, str, Decision],
        by: Invocation = BY,
        accept: bool = False,
        keys: list[MasterKeyring] | None = None,
    ) -> Adoption:
        given = {(table, str(row), problem): made for table, row, problem, made in decisions}
        return adopt(self.database, [self.keyring, *(keys or [])], by, Judge(given, accept))

    def is_clean(self) -> bool:
        report = RebuildService(self.database).check()
        return not report.differing and not report.unknown_links

    def load(self, account: str) -> dict[str, Any]:
        with CredentialLoader(self.address, keyring=self.keyring) as loader:
            return dict(loader.load_account_credentials(account))


@pytest.fixture
def move(empty_database: str) -> Iterator[Move]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        move = Move(empty_database, connection)
        move.bot.make()
        yield move
        move.database.close()


def problems(result: Adoption) -> dict[str, str]:
    return {problem.id: problem.problem for problem in result.judge.undecided}


# ---------------------------------------------------------------- rows that fit


def test_everything_is_adopted_and_the_tables_are_what_the_log_says(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    result = move.adopt()
    assert result.done
    assert result.adopted == {
        "accounts": 4,
        "account_exchange_credentials": 4,
        "account_exchange_sharing": 2,
        "strategy_positions": 3,
    }
    assert move.is_clean()


def test_ids_names_timestamps_flags_and_links_stay(move: Move) -> None:
    fill_well(move.bot)
    columns = (
        "id, account_id, exchange_id, exchange_account_id, subaccount_index, is_active, last_used,"
        " created_at, updated_at"
    )

    def kept() -> list[list[str]]:
        return [
            move.bot.rows("accounts"),
            move.bot.rows("account_exchange_sharing"),
            move.bot.rows("strategy_positions"),
            move.bot.rows("account_exchange_credentials", columns),
        ]

    before = kept()
    move.up()
    move.adopt()
    assert kept() == before


@pytest.mark.parametrize("table", [ACCOUNTS, CREDENTIALS], ids=lambda table: table.name)
def test_every_detail_that_a_table_has_already_is_adopted(move: Move, table: Table) -> None:
    fill_well(move.bot)
    for name, value in details(table).items():
        column = f"{name} {table.declared[name].type}"
        move.bot.connection.execute(f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {column}")
        stored = json.dumps(value) if table.columns[name] == "jsonb" else value
        move.bot.connection.execute(f"UPDATE {table.name} SET {name} = %s", [stored])
    before = move.bot.rows(table.name, ", ".join(["id", *table.details]))
    move.up()
    assert move.adopt().done
    assert move.bot.rows(table.name, ", ".join(["id", *table.details])) == before
    assert move.is_clean()


def test_the_loader_gives_what_the_bots_own_gave(move: Move) -> None:
    fill_well(move.bot)
    before = {name: move.bot.load(name) for name in ("main_bot", "shared_backpack")}
    move.up()
    move.adopt()
    # What is borrowed comes from us alone: nobody read the shares.
    own = {name: creds for name, creds in move.load("main_bot").items() if name != "backpack"}
    assert own == before["main_bot"]
    assert own["lighter"] == {"subaccount_index": 0, **LIGHTER}
    assert next(iter(own["lighter"])) == "subaccount_index"
    loaded = move.load("shared_backpack")
    assert loaded == before["shared_backpack"]
    assert list(loaded["backpack"]) == ["api_key", "secret_key"]


def test_the_schema_is_exactly_the_registrys(
    move: Move, connection: psycopg.Connection[Any]
) -> None:
    fill_well(move.bot)
    move.up()
    move.adopt()
    assert tables_in_catalog(move.bot.connection) == tables_in_catalog(connection)


def test_adopting_again_changes_nothing(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    move.adopt()
    before = move.bot.connection.execute("SELECT size FROM audit_head").fetchone()
    again = move.adopt()
    assert not again.found
    assert move.bot.connection.execute("SELECT size FROM audit_head").fetchone() == before


def test_a_dry_run_tells_the_same_and_changes_nothing(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    before = move.bot.rows("account_exchange_credentials"), tables_in_catalog(move.bot.connection)
    dry = move.adopt(by=DRY)
    after = move.bot.rows("account_exchange_credentials"), tables_in_catalog(move.bot.connection)
    assert after == before
    assert not dry.done
    assert dry.adopted == move.adopt().adopted


def test_events_say_where_the_rows_come_from(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    move.adopt()
    rows = move.bot.connection.execute(
        "SELECT event_type, count(*), bool_and(data ->> 'origin' = 'legacy'), min(actor),"
        " min(reason) FROM audit_events GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(row[0], row[1]) for row in rows] == [
        ("AccountCreated", 4),
        ("CredentialAdded", 4),
        ("LegacyAdopted", 1),
        ("PositionsLinked", 1),
        ("SharingGranted", 2),
    ]
    assert all(row[2] for row in rows if row[0] not in ("LegacyAdopted", "PositionsLinked"))
    assert {(row[3], row[4]) for row in rows} == {("owner@host", "moving in")}


def test_no_secret_and_no_old_token_is_left_anywhere(move: Move) -> None:
    fill_well(move.bot)
    tokens = [
        row[0]
        for row in move.bot.connection.execute(
            "SELECT api_key_encrypted FROM account_exchange_credentials"
            " WHERE api_key_encrypted IS NOT NULL"
        )
    ]
    move.up()
    move.adopt()
    stored = str(move.bot.rows("account_exchange_credentials")) + str(
        move.bot.connection.execute("SELECT data::text FROM audit_events").fetchall()
    )
    for text in (*tokens, "backpack-secret", "6b667422"):
        assert text not in stored


def test_later_tables_and_columns_of_the_bot_are_kept(move: Move) -> None:
    move.bot.connection.execute(LATER_TABLES.encode())
    made = fill_well(move.bot)
    (user,) = move.bot.connection.execute(
        "INSERT INTO users (username) VALUES ('ann') RETURNING id"
    ).fetchone() or (None,)
    move.bot.connection.execute(
        "UPDATE accounts SET user_id = %s WHERE id = %s", [user, made["main_bot"]]
    )
    move.bot.connection.execute(
        "INSERT INTO account_proxy_assignments (account_id) VALUES (%s)", [made["main_bot"]]
    )
    move.bot.connection.execute(
        "INSERT INTO credential_checks (credential_id) VALUES (%s)", [made["backpack"]]
    )
    move.up()
    result = move.adopt()
    assert result.done
    assert result.own_columns == ["accounts.user_id"]
    assert move.is_clean()
    for table in ("account_proxy_assignments", "credential_checks"):
        assert len(move.bot.rows(table)) == 1
    assert move.bot.connection.execute(
        "SELECT account_name FROM accounts WHERE user_id = %s", [user]
    ).fetchall() == [("main_bot",)]


def test_unknown_moments_and_flags_are_filled_in(move: Move) -> None:
    account = move.bot.account(
        "a", created_at=None, updated_at=None, is_active=None, metadata=Json("null")
    )
    move.bot.connection.execute("UPDATE accounts SET metadata = NULL, is_active = NULL")
    move.bot.connection.execute("UPDATE accounts SET created_at = NULL")
    move.up()
    result = move.adopt()
    assert result.done
    assert move.is_clean()
    assert result.judge.note_counts == {"inactive": 1}
    row = move.bot.connection.execute(
        "SELECT is_active, metadata, created_at IS NULL FROM accounts WHERE id = %s", [account]
    ).fetchone()
    assert row == (False, {}, False)


def test_a_rebuild_refuses_to_delete_what_waits_to_be_adopted(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    with pytest.raises(AdoptionPending):
        RebuildService(move.database).rebuild(BY)


# ---------------------------------------------------------------- rows that do not


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        (" padded ", "padded"),
        ("   ", None),
        ("", None),
        ("two\nlines", "two lines"),
        ("zero\u200bwidth", "zero width"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_a_name_that_breaks_a_rule_is_renamed_only_if_decided(
    move: Move, name: str, proposed: str | None
) -> None:
    account = move.bot.account(name)
    move.up()
    undecided = move.adopt()
    assert problems(undecided) == {str(account): "name"}
    assert not undecided.done
    (problem,) = undecided.judge.undecided
    assert problem.proposal == Decision("rename", proposed or f"account-{str(account)[:8]}")
    assert move.adopt(accept=True).done
    assert move.is_clean()


def test_names_that_differ_only_in_case_or_spaces_stay_apart(move: Move) -> None:
    names = ["bot", "Bot", " bot", "bot ", "b ot"]
    for name in names:
        move.bot.account(name)
    move.up()
    assert move.adopt(accept=True).done
    found = {row[0] for row in move.bot.connection.execute("SELECT account_name FROM accounts")}
    assert found == {"bot", "Bot", "b ot", "bot-2", "bot-3"}
    assert move.is_clean()


def test_the_same_name_of_two_users_needs_a_decision(move: Move) -> None:
    move.bot.connection.execute("ALTER TABLE accounts DROP CONSTRAINT accounts_account_name_key")
    first = move.bot.account("bot", created_at="2025-01-01")
    second = move.bot.account("bot", created_at="2025-01-02")
    move.up()
    assert problems(move.adopt()) == {str(second): "name"}
    assert move.adopt(("accounts", second, "name", Decision("rename", "bot of ann"))).done
    rows = move.bot.connection.execute("SELECT id, account_name FROM accounts").fetchall()
    assert dict(rows) == {first: "bot", second: "bot of ann"}
    assert move.is_clean()


@pytest.mark.parametrize(
    ("metadata", "wrapped"),
    [
        (["a", 1], {"legacy": ["a", 1]}),
        ("text", {"legacy": "text"}),
        ({"max_positions": "ten"}, {"legacy": {"max_positions": "ten"}}),
        (Json('{"n": 12345678901234567890}'), {"legacy": '{"n": 12345678901234567890}'}),
    ],
)
def test_metadata_that_breaks_a_rule_is_wrapped(move: Move, metadata: Any, wrapped: Any) -> None:
    account = move.bot.account("a", metadata=metadata)
    move.up()
    assert problems(move.adopt()) == {str(account): "metadata"}
    assert move.adopt(accept=True).done
    assert move.bot.connection.execute("SELECT metadata FROM accounts").fetchone() == (wrapped,)
    assert move.is_clean()


def test_two_rows_without_a_subaccount_are_one_slot(move: Move) -> None:
    account = move.bot.account("a")
    old = move.bot.credential(
        account, "aster", api_key=move.bot.token("old"), updated_at="2025-01-01"
    )
    new = move.bot.credential(
        account, "aster", api_key=move.bot.token("new"), updated_at="2025-01-02"
    )
    move.up()
    assert problems(move.adopt()) == {str(old): "same-slot"}
    assert move.adopt(accept=True).done
    rows = move.bot.connection.execute(
        "SELECT id, subaccount_index, is_active FROM account_exchange_credentials"
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {old: (0, False), new: (None, True)}
    assert move.load("a") == {"aster": {"api_key": "new"}}
    assert move.is_clean()


def test_a_negative_subaccount_is_renumbered(move: Move) -> None:
    account = move.bot.account("a")
    row = move.bot.credential(account, "aster", api_key=move.bot.token("k"), subaccount_index=-1)
    move.up()
    assert problems(move.adopt()) == {str(row): "subaccount"}
    table = "account_exchange_credentials"
    with pytest.raises(InvalidInput, match="numbered 0 to"):
        move.adopt((table, row, "subaccount", Decision("renumber", -2)))
    assert move.adopt((table, row, "subaccount", Decision("renumber", 7))).done
    assert move.load("a") == {"aster": {"api_key": "k", "subaccount_index": 7}}
    assert move.is_clean()


def test_plain_text_is_sealed_and_reported(move: Move) -> None:
    account = move.bot.account("a")
    move.bot.credential(
        account,
        "lighter",
        additional={"private_key": "0xplain", "account_index": 3, "note": "", "nothing": None},
    )
    move.up()
    result = move.adopt()
    assert result.done
    assert result.judge.note_counts == {"plain-text": 1, "empty": 1}
    assert move.load("a") == {"lighter": {"private_key": "0xplain", "account_index": "3"}}
    assert move.is_clean()
    (note, *_) = result.judge.notes
    assert "0xplain" not in note.text


def test_a_token_of_another_key_needs_the_key_or_a_decision(move: Move) -> None:
    other = generate_master_key()
    account = move.bot.account("a")
    row = move.bot.credential(account, "aster", api_key=move.bot.token("k", other.reveal()))
    move.up()
    undecided = move.adopt()
    assert problems(undecided) == {str(row): "unknown-key"}
    assert "gAAAA" not in undecided.judge.undecided[0].text
    assert move.adopt(by=DRY, accept=True).left_out == {"account_exchange_credentials": 1}
    assert move.adopt(keys=[MasterKeyring([other])]).done
    assert move.load("a") == {"aster": {"api_key": "k"}}


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({}, "no-fields"),
        ({"api_key": "ENCRYPTED_API_KEY_HERE"}, "placeholder"),
        ({"api_key": "k", "additional": ["x"]}, "additional"),
    ],
)
def test_a_row_that_is_no_credential_is_left_out_only_if_decided(
    move: Move, columns: dict[str, Any], problem: str
) -> None:
    account = move.bot.account("a")
    row = move.bot.credential(account, "aster", **columns)
    before = move.bot.rows("account_exchange_credentials", "id")
    move.up()
    assert problems(move.adopt()) == {str(row): problem}
    assert move.bot.rows("account_exchange_credentials", "id") == before
    result = move.adopt(accept=True)
    assert result.done
    assert result.left_out["account_exchange_credentials"] == 1
    assert move.bot.rows("account_exchange_credentials") == []
    assert move.is_clean()


def test_a_placeholder_can_be_kept(move: Move) -> None:
    row = move.bot.credential(move.bot.account("a"), "aster", api_key=move.bot.token("changeme"))
    move.up()
    table = "account_exchange_credentials"
    assert move.adopt((table, row, "placeholder", Decision("keep"))).done
    assert move.load("a") == {"aster": {"api_key": "changeme"}}


def test_an_object_that_was_encoded_twice_is_read(move: Move) -> None:
    token = move.bot.token("k")
    move.bot.credential(move.bot.account("a"), "aster", additional=f'{{"secret": "{token}"}}')
    move.up()
    assert move.adopt().done
    assert move.load("a") == {"aster": {"secret": "k"}}


def test_cycles_chains_and_lenders_with_nothing_are_left_out_only_if_decided(move: Move) -> None:
    bot = move.bot
    ids = {name: bot.account(name) for name in "abcdef"}
    for name in "abc":
        bot.credential(ids[name], "aster", api_key=bot.token(name))
    cycle = [bot.share(ids["a"], ids["b"], "aster"), bot.share(ids["b"], ids["a"], "aster")]
    chain = bot.share(ids["d"], ids["e"], "backpack")
    bot.share(ids["e"], ids["c"], "aster")
    nothing = bot.share(ids["f"], ids["d"], "lighter")
    odd = bot.share(ids["f"], ids["c"], "aster", sharing_type="Read-Only")
    move.up()
    assert problems(move.adopt()) == {
        str(cycle[0]): "chain",
        str(cycle[1]): "chain",
        str(chain): "nothing-to-lend",
        str(nothing): "nothing-to-lend",
        str(odd): "sharing-type",
    }
    result = move.adopt(accept=True)
    assert result.done
    assert move.is_clean()
    rows = bot.connection.execute(
        "SELECT id, sharing_type FROM account_exchange_sharing"
    ).fetchall()
    assert dict(rows)[odd] == "read_only"
    assert len(rows) == 2


def test_a_lender_that_is_inactive_is_only_noted(move: Move) -> None:
    bot = move.bot
    lender = bot.account("lender", is_active=False)
    bot.credential(lender, "aster", api_key=bot.token("k"), is_active=False)
    bot.share(bot.account("borrower"), lender, "aster")
    move.up()
    result = move.adopt()
    assert result.done
    assert result.judge.note_counts == {"inactive-lender": 1}
    assert move.is_clean()


def test_a_position_of_an_account_that_does_not_exist_is_unlinked_only_if_decided(
    move: Move,
) -> None:
    bot = move.bot
    account = bot.account("a")
    bot.connection.execute(
        "ALTER TABLE strategy_positions DROP CONSTRAINT strategy_positions_account_id_fkey"
    )
    position = bot.position(account)
    bot.connection.execute("DELETE FROM accounts")
    move.up()
    assert problems(move.adopt()) == {str(position): "owner"}
    assert move.adopt(accept=True).done
    assert move.is_clean()


def test_rows_whose_account_or_exchange_is_gone_are_left_out_only_if_decided(move: Move) -> None:
    bot = move.bot
    for key in ("account_id", "exchange_id"):
        bot.connection.execute(
            "ALTER TABLE account_exchange_credentials"
            f" DROP CONSTRAINT account_exchange_credentials_{key}_fkey".encode()
        )
    gone = bot.account("gone")
    rows = [bot.credential(gone, "aster", api_key=bot.token("k"))]
    bot.connection.execute("DELETE FROM accounts")
    rows.append(bot.credential(bot.account("a"), "grvt", api_key=bot.token("k")))
    bot.connection.execute("DELETE FROM dexes WHERE name = 'grvt'")
    move.up()
    assert problems(move.adopt()) == {str(row): "orphan" for row in rows}
    assert move.adopt(accept=True).done
    assert bot.rows("account_exchange_credentials") == []
    assert move.is_clean()


def test_a_decision_about_what_is_no_problem_is_refused(move: Move) -> None:
    account = move.bot.account("a")
    move.up()
    with pytest.raises(InvalidInput, match="no problem"):
        move.adopt(("accounts", account, "name", Decision("rename", "b")))


def test_a_decision_that_does_not_solve_the_problem_is_refused(move: Move) -> None:
    account = move.bot.account(" a")
    move.up()
    with pytest.raises(InvalidInput, match="is no decision about name"):
        move.adopt(("accounts", account, "name", Decision("leave-out")))


def test_the_decisions_are_in_the_log(move: Move) -> None:
    account = move.bot.account(" a")
    move.up()
    result = move.adopt(accept=True)
    row = move.bot.connection.execute(
        "SELECT data FROM audit_events WHERE position = %s", [result.position]
    ).fetchone()
    assert row is not None
    assert row[0]["decisions"] == [
        {"table": "accounts", "id": str(account), "problem": "name", "decision": "rename: a"}
    ]


def test_an_adoption_that_is_interrupted_leaves_everything_as_it_was(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    before = move.bot.rows("accounts"), move.bot.rows("account_exchange_credentials")

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adopt(move.database, [move.keyring], BY, progress=interrupt)
    assert (
        move.bot.rows("accounts"),
        move.bot.rows("account_exchange_credentials"),
    ) == before
    assert move.bot.connection.execute("SELECT size FROM audit_head").fetchone() == (0,)
    assert move.adopt().done


def test_a_command_about_a_row_that_waits_says_what_to_do(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    with pytest.raises(AccountNotFound, match="is not in the log yet"):
        Registry(move.database).accounts.deactivate("main_bot")


def test_accounts_made_by_command_before_the_adoption_are_left_alone(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    Registry(move.database).accounts.create("newer")
    assert move.adopt().adopted["accounts"] == 4
    assert move.is_clean()


def test_who_owns_the_bots_tables_can_adopt_without_being_a_superuser(
    empty_database: str,
) -> None:
    with login_role(empty_database) as role:
        with psycopg.connect(empty_database, autocommit=True) as admin:
            admin.execute(f"ALTER ROLE {role.name} CREATEROLE".encode())
            admin.execute(f"GRANT ALL ON SCHEMA public TO {role.name} WITH GRANT OPTION".encode())
            for name in ("owner", "operator", "auditor", "bot"):
                with contextlib.suppress(psycopg.errors.UndefinedObject):
                    admin.execute(
                        f"GRANT registry_{name} TO {role.name} WITH ADMIN OPTION".encode()
                    )
        with role.connect() as connection:
            move = Move(role.address, connection)
            move.bot.make(later=True)
            fill_well(move.bot)
            move.up()
            assert move.adopt().done
            assert move.is_clean()
            move.database.close()
        with psycopg.connect(empty_database, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {role.name} CASCADE".encode())


def test_an_operator_may_not_adopt(move: Move) -> None:
    fill_well(move.bot)
    move.up()
    with login_role(move.address, "registry_operator") as operator:
        database = SingleConnection(Target(operator.address))
        with pytest.raises(PermissionDenied):
            adopt(database, [move.keyring], BY)
        database.close()
    assert move.adopt().done


names = st.one_of(
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=0, max_size=12
    ),
    st.sampled_from(["bot", " bot", "bot ", "Bot", "\tbot", "bot-2"]),
)
tokens = st.sampled_from([None, "", "plain", "own", "other", "changeme"])
json_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, [], "x", 1, {"a": "own"}, {"a": "other", "b": 2}]
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            names,
            json_values,
            st.lists(
                st.tuples(
                    st.sampled_from(["aster", "lighter"]),
                    tokens,
                    json_values,
                    st.sampled_from([None, -1, 0, 1]),
                    st.booleans(),
                ),
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    )
)
@pytest.mark.slow
def test_whatever_the_rows_are_the_proposals_lead_to_clean_tables(
    empty_database: str, rows: Any
) -> None:
    name = f"registry_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY".encode())
    address = make_conninfo(empty_database, dbname=name)
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            move = Move(address, connection)
            move.bot.make()
            _fill(move.bot, rows)
            move.up()
            assert move.adopt(accept=True).done
            assert move.is_clean()
            assert not move.adopt().found
            move.database.close()
    finally:
        with psycopg.connect(empty_database, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _fill(bot: LegacyDatabase, rows: Any) -> None:
    made = {
        "own": lambda: bot.token("secret"),
        "other": lambda: bot.token("secret", generate_master_key().reveal()),
    }

    def text(kind: Any) -> Any:
        return made[kind]() if kind in ("own", "other") else kind

    accounts = []
    for name, metadata, credentials in rows:
        account = bot.account(name, metadata=metadata)
        accounts.append(account)
        for exchange, token, value, subaccount, active in credentials:
            fields = {k: text(v) for k, v in value.items()} if isinstance(value, dict) else value
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                bot.credential(
                    account,
                    exchange,
                    api_key=text(token),
                    additional=fields,
                    subaccount_index=subaccount,
                    is_active=active,
                )
    for borrower, lender in itertools.pairwise(accounts):
        bot.share(borrower, lender, "aster")


def test_a_name_that_another_account_has_is_refused(move: Move) -> None:
    account = move.bot.account(" a")
    move.bot.account("taken")
    move.up()
    with pytest.raises(AccountExists):
        move.adopt(("accounts", account, "name", Decision("rename", "taken")))
    assert move.adopt(accept=True).done


def test_several_subaccounts_of_one_exchange_are_kept_and_noted(move: Move) -> None:
    account = move.bot.account("a")
    for number in (0, 1):
        key = move.bot.token(f"key-{number}")
        move.bot.credential(account, "aster", api_key=key, subaccount_index=number)
    move.up()
    result = move.adopt()
    assert result.done
    assert result.judge.note_counts == {"several": 1}
    with CredentialLoader(move.address, keyring=move.keyring) as loader:
        assert loader.load("a", "aster", subaccount=1)["api_key"] == "key-1"
        with pytest.raises(RegistryError, match="several"):
            loader.load("a", "aster")


def test_tables_that_lack_columns_of_the_guide_are_adopted(move: Move) -> None:
    fill_well(move.bot)
    move.bot.connection.execute(
        "ALTER TABLE account_exchange_sharing DROP COLUMN updated_at;"
        "ALTER TABLE account_exchange_credentials DROP COLUMN last_used, DROP COLUMN is_active"
    )
    move.up()
    result = move.adopt()
    assert result.done
    assert move.is_clean()
    assert "lighter" in move.load("main_bot")


def test_a_credential_whose_flag_is_unknown_is_inactive_as_it_was_to_the_bots(move: Move) -> None:
    move.bot.credential(move.bot.account("a"), "aster", api_key=move.bot.token("k"))
    move.bot.connection.execute("UPDATE account_exchange_credentials SET is_active = NULL")
    move.up()
    assert move.adopt().judge.note_counts == {"inactive": 1}
    with pytest.raises(RegistryError, match="inactive"):
        move.load("a")


def test_triggers_that_only_look_on_are_kept(move: Move) -> None:
    fill_well(move.bot)
    move.bot.connection.execute(
        "CREATE TABLE seen (name text);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME); RETURN NULL; END';"
        "CREATE TRIGGER see AFTER UPDATE ON account_exchange_credentials"
        " FOR EACH ROW EXECUTE FUNCTION see()"
    )
    move.up()
    assert move.adopt().done
    assert move.bot.connection.execute("SELECT count(*) FROM seen").fetchone() == (4,)


# ---------------------------------------------------------------- what is worth knowing


def notes(result: Adoption, kind: str) -> list[tuple[str, str]]:
    return [(note.of, note.text) for note in result.judge.notes if note.note == kind]


def test_keys_that_accounts_have_in_common_are_noted_and_adopted(move: Move) -> None:
    token = move.bot.token
    for name in ("alpha", "beta", "gamma"):
        account = move.bot.account(name)
        secret = "own" if name == "gamma" else "in-common"
        move.bot.credential(
            account, "aster", api_key=token(f"key-of-{name}"), secret_key=token(secret)
        )
        # The public key of older rows, and other public values, are no secrets.
        move.bot.credential(
            account, "backpack", api_key=token("public"), secret_key=token(f"secret-of-{name}")
        )
    move.bot.account(" padded")
    move.up()
    expected = [("'alpha', 'beta', aster", "they hold the same secret_key")]
    looked = move.adopt(by=DRY)
    assert looked.judge.undecided
    assert notes(looked, "same-secret") == expected
    done = move.adopt(accept=True)
    assert done.done
    assert notes(done, "same-secret") == expected
    assert move.is_clean()


def test_a_key_that_many_accounts_hold_is_one_note(move: Move) -> None:
    for number in range(12):
        account = move.bot.account(f"bot-{number:02}")
        fields = {name: move.bot.token(value) for name, value in LIGHTER.items()}
        move.bot.credential(account, "lighter", additional=fields)
    move.up()
    ((of, text),) = notes(move.adopt(by=DRY), "same-secret")
    assert of == "'bot-00', 'bot-01', 'bot-02', 'bot-03', 'bot-04' and 7 more, lighter"
    assert text == "they hold the same private_key"


def test_private_keys_in_plain_columns_are_noted_and_adopted(move: Move) -> None:
    key = "0x" + "9f3a" * 16
    move.bot.account("wallet", wallet_address=key)
    move.bot.account("text", description=f"its key is {key}")
    move.bot.account("details", metadata={"deep": [key]})
    move.up()
    done = move.adopt()
    assert done.done
    assert [of for of, _ in notes(done, "wallet")] == ["'wallet'"]
    assert {of for of, _ in notes(done, "private-key")} == {"'details'", "'text'"}
    assert not any(key[2:10] in note.text for note in done.judge.notes)


def test_a_decision_brings_no_private_key_in(move: Move) -> None:
    account = move.bot.account("odd", metadata=["a list"])
    move.up()
    made = Decision("set", {"key": "0x" + "9f3a" * 16})
    with pytest.raises(InvalidInput, match="looks like a private key"):
        move.adopt(("accounts", account, "metadata", made))


# ---------------------------------------------------------------- one answer for a field


@pytest.mark.parametrize(("own", "given"), [(0, 0), (None, 5)])
def test_an_adopted_field_has_one_value_wherever_it_is_asked_for(
    move: Move, own: int | None, given: int
) -> None:
    token = move.bot.token
    fields = {"subaccount_index": token("5"), "desk": token("north")}
    account = move.bot.account("bot")
    keys = {"api_key": token("key7"), "secret_key": token("secret7")}
    move.bot.credential(account, "aster", **keys, additional=fields, subaccount_index=own)
    move.up()
    notes = [n.text for n in move.adopt().judge.notes if n.note == "subaccount-field"]
    assert len(notes) == 1
    loaded = move.load("bot")["aster"]
    assert loaded == {
        "api_key": "key7",
        "secret_key": "secret7",
        "subaccount_index": given,
        "desk": "north",
    }
    registry = World(move.database, move.keyring)
    (listed,) = registry.credentials.list("bot")
    assert listed["subaccount_index"] == given
    assert sorted(listed["fields"]) == ["api_key", "desk", "secret_key"]
    for field in listed["fields"]:
        assert registry.credentials.reveal("bot", "aster", field).reveal() == loaded[field]
    with pytest.raises(InvalidInput, match="has no field subaccount_index") as refused:
        registry.credentials.reveal("bot", "aster", "subaccount_index")
    assert "api_key, secret_key, desk" in (refused.value.hint or "")
    service = ReleaseService(move.database, move.keyring)
    released = service.release("bot", None, Wish(), CALLER)
    passed, _ = variables(released, {"aster": service.specification("aster")})
    assert {name: value.reveal() for name, value in passed.items()} == {
        "ASTER_API_KEY": "key7",
        "ASTER_SECRET_KEY": "secret7",
        "ASTER_DESK": "north",
    }


def test_an_adopted_field_does_not_take_the_variable_of_a_known_one(move: Move) -> None:
    token = move.bot.token
    fields = {"Api_Key": token("other"), "secret-key": token("other")}
    account = move.bot.account("bot")
    keys = {"api_key": token("key7"), "secret_key": token("secret7")}
    move.bot.credential(account, "aster", **keys, additional=fields)
    move.up()
    move.adopt()
    service = ReleaseService(move.database, move.keyring)
    released = service.release("bot", None, Wish(), CALLER)
    passed, without = variables(released, {"aster": service.specification("aster")})
    assert {name: value.reveal() for name, value in passed.items()} == {
        "ASTER_API_KEY": "key7",
        "ASTER_SECRET_KEY": "secret7",
    }
    assert sorted(without) == ["Api_Key of aster", "secret-key of aster"]


def test_a_name_that_looks_like_an_option_is_kept_and_named(move: Move) -> None:
    move.bot.account("-x")
    move.up()
    result = move.adopt()
    assert result.done
    (note,) = [n for n in result.judge.notes if n.note == "shell"]
    assert (note.of, "cannot start with -" in note.text) == ("'-x'", True)
