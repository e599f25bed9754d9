"""Behind a pooler every verb works, or says what it needs, and leaves nothing in its sessions."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.bots import LoginRole, login_role
from support.cli import PROJECT, CommandLine
from support.herd import EXCHANGE, run_herd
from support.pooler import Mode, Pooler, documented_pooler, pooler
from support.running import borrowing_bot
from support.supervised import replaced, supervised
from support.world import World

from registry import Registry
from registry.commands._app import VERBS
from registry.database import watched
from registry.database.opening import SingleConnection, open_registry
from registry.database.patience import VARIABLE
from registry.database.pool import PooledDatabase
from registry.database.target import DIRECT, Target
from registry.database.watched import WatchedConnection
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import DatabaseUnavailable, RegistryBusy
from registry.loader import AsyncCredentialLoader, CredentialLoader
from registry.positions import FundingArbPositionManager

SESSIONS: Final = 3
_LEFT_IN_A_SESSION: Final = """
SELECT 'setting ' || s.name || ' = ' || s.setting FROM pg_settings AS s
WHERE s.source = 'session'
    -- A pooler keeps these for each client.
    AND s.name NOT IN ('TimeZone', 'DateStyle', 'client_encoding', 'application_name',
        'standard_conforming_strings', 'transaction_isolation', 'transaction_read_only',
        'transaction_deferrable')
UNION ALL SELECT 'prepared ' || p.statement FROM pg_prepared_statements AS p
UNION ALL SELECT 'listens to ' || c FROM pg_listening_channels() AS c
UNION ALL SELECT 'temporary ' || r.relname FROM pg_class AS r
    WHERE r.relnamespace = pg_my_temp_schema() AND r.relkind = 'r'
UNION ALL SELECT 'advisory lock ' || l.objid FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory'
"""


def left_behind(behind: Pooler, server: str) -> list[str]:
    """What the pool's sessions of a login hold between transactions."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(SESSIONS):  # at once, so that each has another session
            client = stack.enter_context(
                psycopg.connect(behind.address(server), autocommit=True, prepare_threshold=None)
            )
            client.execute("BEGIN")
            found += [row[0] for row in client.execute(_LEFT_IN_A_SESSION).fetchall()]
        return found


@pytest.fixture(params=["transaction", pytest.param("session", marks=pytest.mark.slow)])
def mode(request: pytest.FixtureRequest) -> Mode:
    """How the pooler lends its sessions."""
    given: Mode = request.param
    return given


@pytest.fixture
def behind(database_url: str, mode: Mode) -> Iterator[Pooler]:
    """A pooler that gives each transaction another one of its few sessions, if it may."""
    with pooler(
        database_url,
        mode,
        default_pool_size=SESSIONS,
        min_pool_size=SESSIONS,
        server_round_robin=1,
    ) as running:
        yield running


@pytest.fixture
def through(behind: Pooler, cli: CommandLine) -> CommandLine:
    """The command line, which reaches its database through the pooler."""
    cli.environment["DATABASE_URL"] = behind.address()
    return cli


# ---------------------------------------------------------------- all verbs

KEYS: Final = '{"api_key": "pooled-key-1", "secret_key": "pooled-secret-1"}'
ENV_FILE: Final = f"BACKPACK_PUBLIC_KEY={'A' * 43}=\nBACKPACK_SECRET_KEY={'B' * 42}A=\n"
CONFIG: Final = (
    '{"exchange": {"name": "bybit", "key": "pooled-key-3", "secret": "pooled-secret-3"}}'
)
ALERTS: Final = """
[receivers.nobody]
command = ["/bin/true"]

[[rules]]
to = ["nobody"]
problems = "all"
"""
ASKS_FOR_A_SESSION: Final = 7

# In the order of a registry's life. {…} are names of the test; what follows < is standard input.
STORY: Final = """
    migrate status
    migrate up
    create-account lender
    create-account bot
    create-account old
    update-account bot --description trades
    rename-account old older
    deactivate-account older
    reactivate-account older
    delete-account older --yes
    list-accounts
    list-accounts --as-of -1h
    show-account bot
    add-credential lender aster --from-json - < {keys}
    replace-credential lender aster --from-json - --reason leak < {keys2}
    rotate-credential lender aster --prepare --from-json - < {keys3}
    rotate-credential lender aster --activate --no-check
    rotate-credential lender aster --retire
    update-credential lender aster --label main
    deactivate-credential lender aster
    reactivate-credential lender aster
    list-credentials
    reveal-credential lender aster --field api_key
    exchanges
    add-exchange desk --field key=DESK_KEY
    update-exchange desk --nonce-per-key
    check-credential bot desk = 3
    remove-exchange desk
    share bot lender aster
    resolve bot aster
    list-shares
    grant-access bot --role {role}
    list-access
    run --account bot -- true
    runbot --account bot -- true
    revoke-access bot --role {role}
    add-bot lender --login {role}_2
    remove-bot {role}_2 --yes
    link-positions bot --position 00000000-0000-0000-0000-000000000001 = 3
    unlink-positions bot --position 00000000-0000-0000-0000-000000000001 = 3
    list-positions
    import-env bot --env-file {env}
    import-config bot --file {config}
    adopt --dry-run
    history
    history bot --ndjson
    rollback --to 3 --skip --dry-run
    who-could-use lender aster
    blast-radius lender aster
    whose-key - < pooled-key-2
    generate-checkpoint-key
    checkpoint
    verify
    prove 1
    verify-proof {config} = 6
    doctor --full = 1
    list-problems
    metrics
    alerts test --settings {alerts}
    stop --account lender --reason test --yes
    resume {stop} --yes
    generate-key
    rotate-master-key
    rebuild --check
    rebuild --yes
    end-session
    unshare bot aster
    destroy-secrets lender aster --old --yes
    remove-credential lender aster --yes
    restore-drill = session
    migrate down --rehearse = session
    migrate repair
    schema-down --yes
    migrate up
    embedded status
"""


FACES: Final = {"monitor", "serve"}
"""What they show are views, and go on until somebody ends them."""


def test_the_story_has_each_verb() -> None:
    assert {line.split()[0] for line in STORY.strip().splitlines()} == set(VERBS) - FACES


@pytest.mark.slow
def test_every_verb_works_or_says_what_it_needs_and_leaves_nothing_behind(
    through: CommandLine, behind: Pooler, bot: LoginRole, mode: Mode, database_url: str
) -> None:
    names = {
        "role": bot.name,
        "keys": KEYS,
        "keys2": KEYS.replace("1", "2"),
        "keys3": KEYS.replace("1", "3"),
        "env": through.file("bot.env", ENV_FILE),
        "config": through.file("bot.json", CONFIG),
        "alerts": through.file("alerts.toml", ALERTS),
        "stop": "0",
    }
    told = []
    for line in STORY.strip().splitlines():
        words, _, wanted = line.strip().partition(" = ")
        words, _, stdin = words.format(**names).partition(" < ")
        if mode == "session" and wanted == "session":
            continue
        # A program takes the place of the process.
        run = through.process if words.startswith("run") else through
        done = run(*words.split(), stdin=stdin.encode())
        if words.startswith("stop"):
            (stopped,) = through("history", "--type", "UseStopped", "--json").data
            names["stop"] = stopped["position"]
        left = left_behind(behind, database_url)
        if wanted == "session":
            as_said = done.exit_status == ASKS_FOR_A_SESSION and DIRECT in done.err
            as_said = as_said and len(done.err.splitlines()) == 2
        else:
            as_said = done.exit_status == int(wanted or 0)
        if left or not as_said:
            told.append((line.strip(), done.exit_status, done.err, done.out[-300:], left))
    assert told == []


# ---------------------------------------------------------------- bots, and everything at once


def load(address: str, keyring: MasterKeyring, account: str, times: int = 15) -> None:
    """Loads a bot's key often."""
    with CredentialLoader(address, keyring=keyring) as loader:
        for _ in range(times):
            assert loader.load(account, "aster")["api_key"] == f"{account}-aster-key"


def change(address: str, account: str) -> None:
    """Changes an account often."""
    with Registry.open(address) as registry:
        for number in range(8):
            registry.accounts.update(account, description=f"change {number}")
            registry.history(account)


def look_after(address: str) -> None:
    """Compares, repairs and verifies often."""
    with Registry.open(address) as registry:
        for _ in range(4):
            assert registry.rebuild(check=True).report.differing == 0
            registry.rebuild()
            registry.doctor(quick=True)
            assert not registry.verify(with_keys=False).failures


def test_bots_and_operators_at_once_find_nothing_missing_and_leave_nothing_behind(
    behind: Pooler, database_url: str, world: World
) -> None:
    operator = behind.address()
    with contextlib.ExitStack() as logins, ThreadPoolExecutor(16) as pool:
        at_work = [pool.submit(look_after, operator)]
        for account in (f"bot_{number}" for number in range(6)):
            world.account(account, "aster")
            login = logins.enter_context(login_role(database_url, "registry_bot"))
            world.access.grant(account, login.name)
            at_work.append(pool.submit(change, operator, account))
            bot = behind.address(login.address)
            at_work.append(pool.submit(load, bot, world.keyring, account))
        for work in at_work:
            work.result()
        assert left_behind(behind, database_url) == []
        assert left_behind(behind, login.address) == []


def test_a_bots_program_works_as_without_a_pooler(behind: Pooler, world: World) -> None:
    world.account("bot", "aster")

    async def load() -> str:
        async with AsyncCredentialLoader(behind.address(), keyring=world.keyring) as loader:
            assert await loader.list_account_exchanges("bot") == ["aster"]
            return str((await loader.load("bot", "aster"))["api_key"])

    assert asyncio.run(load()) == "bot-aster-key"
    with contextlib.closing(PooledDatabase(Target(behind.address()), keep=5)) as database:
        manager = FundingArbPositionManager("bot", database)
        rate = Decimal("0.01")
        opened = manager.create(
            symbol="BTC",
            long_dex="aster",
            short_dex="lighter",
            size_usd=Decimal(100),
            entry_long_rate=rate,
            entry_short_rate=rate,
        )
        manager.update(opened, size_usd=Decimal(200))
        manager.close(opened, exit_reason="test")
        assert manager.list_open() == []
    assert left_behind(behind, world.database.target.url or "") == []


@pytest.mark.parametrize(
    "work",
    [
        lambda registry: registry.accounts.create("another"),
        lambda registry: registry.loader.load("bot", "aster"),
        lambda registry: registry.migrate("up"),
    ],
    ids=["a command", "a load", "a migration"],
)
def test_the_wait_for_another_session_has_an_end(
    behind: Pooler,
    world: World,
    connection: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Registry], object],
) -> None:
    brief = b"SELECT set_config('lock_timeout', '300ms', TRUE)"
    monkeypatch.setitem(watched._QUERIES, "limit_waits", brief)
    world.account("bot", "aster")
    connection.execute("BEGIN")
    connection.execute("SELECT FROM audit_head FOR UPDATE")
    connection.execute("SELECT pg_advisory_xact_lock(7234117001)")  # of migrations
    with (
        Registry(SingleConnection(Target(behind.address())), keyring=world.keyring) as registry,
        pytest.raises(RegistryBusy),
    ):
        work(registry)


@pytest.mark.parametrize("direct", [False, True])
def test_a_follower_hears_of_each_event(
    behind: Pooler, database_url: str, mode: Mode, direct: bool
) -> None:
    with Registry.open(behind.address(), direct=database_url if direct else None) as registry:
        registry.accounts.create("first")
        events = registry.follow()
        assert next(events)["position"] == 0
        for position in (1, 2):
            started = time.monotonic()
            adding = threading.Thread(target=registry.accounts.create, args=(f"bot_{position}",))
            adding.start()
            assert next(events)["position"] == position
            adding.join()
        woken = direct or mode == "session"
        assert time.monotonic() - started < (0.9 if woken else 3)
        events.close()
    assert left_behind(behind, database_url) == []


def test_a_bot_hears_of_its_changes_behind_a_pooler(behind: Pooler, world: World) -> None:
    world.account("bot", "aster")
    with CredentialLoader(behind.address(), keyring=world.keyring) as loader:
        watched = loader.watch("bot")
        first = next(watched)
        changing = threading.Timer(0.3, world.credential, ("bot", "backpack"))
        changing.start()
        assert sorted(next(watched)) == [*first, "backpack"]
        changing.join()
        mark = loader.changes_since("bot").mark
        assert loader.changes_since("bot", mark, timeout=0.1).exchanges == ()


# ---------------------------------------------------------------- DATABASE_URL_DIRECT


@pytest.mark.parametrize(
    "line", [pytest.param("restore-drill", marks=pytest.mark.slow), "migrate down --rehearse"]
)
def test_what_needs_a_session_gets_it_by_the_direct_address(
    through: CommandLine, database_url: str, line: str
) -> None:
    done = through(*line.split(), **{DIRECT: database_url})
    assert (done.exit_status, done.err) == (0, "")


def test_the_direct_address_of_another_database_is_refused(
    through: CommandLine, another_empty_database: str
) -> None:
    for line in ("history --follow", "restore-drill", "migrate down --rehearse"):
        done = through(*line.split(), **{DIRECT: another_empty_database})
        assert done.exit_status == 2, line
        assert f"{DIRECT} is another database than DATABASE_URL" in done.err


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("mysql://u:sesame@host/db", f"{DIRECT} is not the address of a PostgreSQL"),
        ("postgresql://u:ses@ame@host/db", f"{DIRECT} cannot be taken apart"),
        ("postgresql://u:sesame@127.0.0.1:1/db?connect_timeout=2", "cannot reach the database"),
    ],
)
def test_a_direct_address_that_does_not_work_is_told_without_its_password(
    through: CommandLine, address: str, told: str
) -> None:
    done = through("history", "--follow", **{DIRECT: address})
    assert done.exit_status in (2, 7)
    assert told in done.err
    assert len(done.err.splitlines()) <= 2
    looked = through("doctor", "--json", **{DIRECT: address})
    assert not any(
        "ame@" in text or "sesame" in text for text in (done.out, done.err, looked.out, looked.err)
    )


def test_a_direct_address_alone_is_refused(cli: CommandLine) -> None:
    cli.environment[DIRECT] = cli.environment["DATABASE_URL"]
    done = cli("list-accounts", DATABASE_URL="")
    assert (done.exit_status, f"{DIRECT} is set, and DATABASE_URL is not" in done.err) == (2, True)


# ---------------------------------------------------------------- the diagnosis


def findings(cli: CommandLine, check: str, **environment: str) -> list[tuple[str, str]]:
    """The grades and messages of a check of `doctor`."""
    found = cli("doctor", "--quick", "--json", **environment).data
    return [(one["grade"], one["message"]) for one in found if one["check"] == check]


def test_the_doctor_knows_a_pooler_and_its_mode(
    through: CommandLine, mode: Mode, database_url: str
) -> None:
    told = "for one transaction at a time" if mode == "transaction" else "to each client"
    assert findings(through, "pooler") == [("ok", f"one is in between, and lends a session {told}")]
    through.environment["DATABASE_URL"] = database_url
    assert findings(through, "pooler") == []


def test_the_doctor_looks_at_the_direct_address_too(
    through: CommandLine, database_url: str, another_empty_database: str
) -> None:
    def found(address: str) -> list[tuple[str, str]]:
        return findings(through, "direct address", **{DIRECT: address})

    assert found(database_url) == [("ok", f"{DIRECT} leads to the same database")]
    assert found(through.environment["DATABASE_URL"]) == [
        ("warning", f"{DIRECT} leads through a pooler too")
    ]
    assert found(another_empty_database) == [
        ("failed", f"{DIRECT} is another database than DATABASE_URL")
    ]
    ((grade, message),) = found("postgresql://nobody@127.0.0.1:1/db")
    assert (grade, message.startswith(f"{DIRECT}: cannot reach")) == ("failed", True)


def test_the_doctor_sees_that_a_pooler_makes_one_login_of_all(
    cli: CommandLine, database_url: str, bot: LoginRole
) -> None:
    with pooler(database_url, forced_user="postgres") as behind:
        told = findings(cli, "pooler", DATABASE_URL=behind.address(bot.address))
    assert told[0] == (
        "failed",
        f"a pooler logs {bot.name} in as postgres: whoever asks has the rights of postgres",
    )


# ---------------------------------------------------------------- a pooler that cannot serve


def test_a_full_pool_is_waited_for_and_named(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchedConnection, "patience", 0.3)
    monkeypatch.setattr(watched._Probe, "patience", 0.3)
    told: list[str] = []
    with pooler(database_url, default_pool_size=1) as behind:
        busy = psycopg.connect(behind.address(), autocommit=True)
        busy.execute("BEGIN")
        threading.Timer(2, busy.close).start()
        with open_registry(Target(behind.address()), told.append) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    (waiting,) = told
    assert "accepted and not served" in waiting


def test_the_wait_for_a_full_pool_has_an_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchedConnection, "patience", 0.3)
    monkeypatch.setattr(watched._Probe, "patience", 0.3)
    monkeypatch.setenv(VARIABLE, "1")
    with pooler(database_url, default_pool_size=1) as behind:
        with psycopg.connect(behind.address(), autocommit=True) as busy:
            busy.execute("BEGIN")
            with pytest.raises(DatabaseUnavailable, match="accepted and not served"):
                open_registry(Target(behind.address()))


def test_the_poolers_own_limit_is_named_and_nothing_is_done_twice(
    cli: CommandLine, database_url: str
) -> None:
    with pooler(database_url, default_pool_size=1, query_wait_timeout=1) as behind:
        with psycopg.connect(behind.address(), autocommit=True) as busy:
            busy.execute("BEGIN")
            done = cli("create-account", "bot", DATABASE_URL=behind.address())
    assert done.exit_status == 7
    assert "of a pooler in between, says why" in done.err or "query_wait_timeout" in done.err
    assert cli("list-accounts", "--json").data == []


def test_a_pooler_that_takes_no_more_clients_is_named(cli: CommandLine, database_url: str) -> None:
    with pooler(database_url, max_client_conn=1) as behind:
        with psycopg.connect(behind.address()):
            done = cli("list-accounts", DATABASE_URL=behind.address())
    assert done.exit_status == 7
    assert "no more connections allowed" in done.err
    assert "raise its max_client_conn" in done.err


def test_an_option_that_a_pooler_refuses_is_named_at_once(
    cli: CommandLine, database_url: str
) -> None:
    with pooler(database_url) as behind:
        address = make_conninfo(behind.address(), options="-c work_mem=1MB")
        done = cli("list-accounts", DATABASE_URL=address, REGISTRY_CONNECT_WAIT="60")
    assert done.exit_status == 7
    assert "ignore_startup_parameters" in done.err


@pytest.mark.slow
def test_a_pooler_whose_server_is_away_is_named(cli: CommandLine, tmp_path: Path) -> None:
    nowhere = make_conninfo("", host=str(tmp_path), user="somebody", dbname="registry")
    with pooler(nowhere, forced_user="other") as behind:
        done = cli("list-accounts", DATABASE_URL=behind.address(), REGISTRY_CONNECT_WAIT="3")
    assert done.exit_status == 7
    assert "pooler" in done.err


@pytest.mark.parametrize("event", ["paused", "restarted"])
def test_a_bot_does_not_notice_that_the_pooler_is(
    event: str, database_url: str, world: World
) -> None:
    world.account("bot", "aster")
    with (
        pooler(database_url) as behind,
        CredentialLoader(behind.address(), keyring=world.keyring) as loader,
    ):
        assert loader.load("bot", "aster")
        if event == "paused":
            behind.ask("PAUSE")
            threading.Timer(1, behind.ask, ["RESUME"]).start()
        else:
            behind.stop()
            threading.Timer(1, behind.start).start()
        assert loader.load("bot", "aster")


# ---------------------------------------------------------------- many bots


@pytest.mark.slow
def test_a_herd_of_bots_gets_its_keys_through_a_small_pool(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "300")  # a busy machine is slow, and this measures nothing
    key = generate_master_key()
    names = [f"bot_{number}" for number in range(200)]
    with (
        contextlib.closing(SingleConnection(Target(database_url))) as database,
        pooler(database_url, default_pool_size=20, max_client_conn=1000) as behind,
        login_role(database_url, "registry_bot") as login,
    ):
        world = World(database, MasterKeyring([key]))
        for name in names:
            world.account(name, EXCHANGE)
            world.access.grant(name, login.name)
        address = behind.address(login.address)
        herd = run_herd(address, names, key.reveal(), 4, strangers=True)
        assert herd.failures == []
        assert herd.keys == {name: f"{name}-aster-key" for name in names}
        behind.stop()  # before the login is dropped


@pytest.mark.slow
def test_bots_with_logins_of_their_own_share_few_connections(
    database_url: str, world: World
) -> None:
    names = [f"bot_{number}" for number in range(60)]
    with (
        contextlib.ExitStack() as logins,
        pooler(database_url, default_pool_size=5, max_db_connections=10) as behind,
        ThreadPoolExecutor(len(names)) as pool,
    ):
        at_work = []
        for name in names:
            world.account(name, "aster")
            login = logins.enter_context(login_role(database_url, "registry_bot"))
            world.access.grant(name, login.name)
            at_work.append(
                pool.submit(load, behind.address(login.address), world.keyring, name, times=2)
            )
        for work in at_work:
            work.result()


# ---------------------------------------------------------------- the page


def blocks(kind: str) -> list[str]:
    """The blocks of the page of poolers of this kind."""
    page = (PROJECT / "docs/connections.md").read_text()
    return [block.partition("```")[0] for block in page.split(f"```{kind}\n")[1:]]


def test_the_pages_pooler_knows_a_bot_as_soon_as_the_server_does(
    cli: CommandLine, world: World, connection: psycopg.Connection[Any]
) -> None:
    (configuration,), (lookup,) = blocks("ini"), blocks("sql")
    world.account("bot", "aster")
    database_url = cli.environment["DATABASE_URL"]
    connection.execute(lookup.encode())
    try:
        with documented_pooler(database_url, configuration) as behind:
            with login_role(database_url, "registry_bot") as login:
                world.access.grant("bot", login.name)
                address = behind.address(login.address)
                load(address, world.keyring, "bot", times=2)
                wrong = make_conninfo(address, password="wrong")
                refused = cli("list-accounts", DATABASE_URL=wrong, REGISTRY_CONNECT_WAIT="60")
            superuser = cli("list-accounts", DATABASE_URL=behind.address())
    finally:
        connection.execute("DROP SCHEMA pooler CASCADE")
        connection.execute("DROP ROLE pooler")
    assert (refused.exit_status, "authentication failed" in refused.err) == (7, True)
    assert superuser.exit_status == 7


@pytest.mark.slow
def test_a_watched_program_follows_through_a_pooler(through: CommandLine, mode: Mode) -> None:
    bot = borrowing_bot(through)
    with supervised(bot) as watched:
        assert watched.up().keys[0] == "0"
        replaced(bot, "lighter", api_key_index="5")
        assert watched.up().keys[0] == "5"
        bot("deactivate-account", "bot", "--cascade")
        watched.wait_for("got SIGTERM")
        assert watched.end() == 5, mode
