"""The loader as bots use it."""

import asyncio
import contextlib
import datetime as dt
import fcntl
import json
import os
import pprint
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from rich.pretty import pretty_repr
from support.bots import LoginRole
from support.credentials import FIELDS
from support.proxy import Proxy
from support.world import World

import registry.services.releases.releases
from registry import errors
from registry.database.connection import Connection
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.loader import (
    AsyncCredentialLoader,
    CredentialLoader,
    DatabaseCredentialLoader,
    EnvironmentFallback,
)
from registry.positions import FundingArbPositionManager
from registry.services.releases import key_locks

KEYS = {"api_key": "reading-key", "secret_key": "reading-secret"}


@pytest.fixture
def loader(world: World, database_url: str) -> Iterator[CredentialLoader]:
    """A loader with a pool of its own."""
    with CredentialLoader(database_url, keyring=world.keyring) as opened:
        yield opened


def test_an_account_is_loaded_in_the_shape_that_bots_know(
    world: World, loader: CredentialLoader
) -> None:
    world.account("main_bot", "aster", "lighter")
    world.credential("main_bot", "backpack", subaccount=3, public_key="pub", secret_key="sec")
    loaded = loader.load_account_credentials("main_bot")
    assert loaded == {
        "aster": {"api_key": "main_bot-aster-key", "secret_key": "main_bot-aster-secret"},
        "backpack": {"secret_key": "sec", "subaccount_index": 3, "public_key": "pub"},
        "lighter": {
            "private_key": "main_bot-lighter-secret",
            "account_index": FIELDS["lighter"]["account_index"],
            "api_key_index": FIELDS["lighter"]["api_key_index"],
        },
    }
    assert list(loaded["aster"]) == ["api_key", "secret_key"]
    assert list(loaded["backpack"]) == ["secret_key", "subaccount_index", "public_key"]
    assert type(loaded["backpack"]["secret_key"]) is str
    assert type(loaded["backpack"]["subaccount_index"]) is int


def test_a_load_takes_two_round_trips(world: World, database_url: str) -> None:
    """Whatever the number of credentials, and what others write meanwhile."""
    world.account("main_bot", "lighter", "backpack", "aster")
    proxy = Proxy(database_url)
    counted = []
    with (
        contextlib.closing(proxy),
        contextlib.closing(SingleConnection(Target(proxy.address))) as database,
        CredentialLoader(database, keyring=world.keyring) as loader,
        psycopg.connect(database_url, autocommit=True) as busy,
    ):
        busy.execute("SET synchronous_commit = off")
        for _ in range(8):
            busy.execute("CREATE TEMPORARY TABLE work AS SELECT 1; DROP TABLE work")
            before = proxy.round_trips
            assert len(loader.load_account_credentials("main_bot")) == 3
            counted.append(proxy.round_trips - before)
    # The first one looks at the schema too, and the driver prepares a statement in one of them.
    assert sorted(counted)[:6] == [2] * 6


@pytest.mark.parametrize(
    "setting",
    [
        "default_transaction_isolation=serializable",
        "standard_conforming_strings=off",
        "synchronous_commit=off",
        "plan_cache_mode=force_custom_plan",
    ],
)
def test_a_load_works_with_settings_that_a_login_may_have(
    world: World, database_url: str, setting: str
) -> None:
    world.account("main_bot", "lighter", "aster")
    address = make_conninfo(database_url, options=f"-c {setting}")
    with CredentialLoader(address, keyring=world.keyring) as loader:
        for _ in range(3):
            assert sorted(loader.load_account_credentials("main_bot")) == ["aster", "lighter"]


def test_a_loader_warns_of_another_process_and_not_of_itself(
    world: World,
    loader: CredentialLoader,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("REGISTRY_DATA_DIR", str(tmp_path))
    world.account("main_bot", "lighter")
    world.account("other", "lighter")
    loader.load("main_bot", "lighter")
    loader.load_account_credentials("main_bot")
    with CredentialLoader(database_url, keyring=world.keyring) as second:
        second.load("main_bot", "lighter")
    assert "in use" not in caplog.text
    (file,) = (tmp_path / "in-use").iterdir()
    end_this_process(file)
    loader.load("main_bot", "lighter")
    assert "in use" not in caplog.text
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        end_this_process(file)
        loader.load("other", "lighter")
        assert "in use" not in caplog.text
        loader.load("main_bot", "lighter")
    assert "another process here has this lighter key of main_bot in use" in caplog.text


def end_this_process(file: Path) -> None:
    """As far as locks are concerned: those of a process go when its files are closed."""
    os.close(key_locks._held.pop(file))


def test_a_loader_warns_of_a_key_that_is_about_to_expire(
    world: World, loader: CredentialLoader, caplog: pytest.LogCaptureFixture
) -> None:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    world.account("main_bot", "aster", "backpack")
    world.credentials.update("main_bot", "aster", expires_at=moment)
    told = f"the aster key of main_bot expires on {moment:%Y-%m-%d}"
    loader.load("main_bot", "backpack")
    assert caplog.messages == []
    loader.load("main_bot", "aster")
    assert caplog.messages == [told]
    loader.load_account_credentials("main_bot")
    assert caplog.messages == [told, told]


def test_printing_what_was_loaded_shows_no_value(world: World, loader: CredentialLoader) -> None:
    world.account("main_bot", "aster")
    loaded = loader.load_account_credentials("main_bot")
    one = loader.load("main_bot", "aster")
    for what in (loaded, loaded["aster"], one, [one], {"a": loaded}):
        for show in (repr, str, pprint.pformat, pretty_repr, "{0} {0!r}".format):
            text = show(what)
            assert "main_bot-aster" not in text
            assert "secret_key" in text
    assert json.loads(json.dumps(one)) == one


def test_a_bot_that_changed_one_import_still_works(world: World, database_url: str) -> None:
    """It gives the loader an object of its own that knows its address."""
    world.account("main_bot", "aster")

    class BotsDatabase:
        url = database_url.replace("postgresql://", "postgresql+asyncpg://")

    async def bot() -> Any:
        loader = DatabaseCredentialLoader(BotsDatabase(), keyring=world.keyring)  # type: ignore[arg-type]
        try:
            return await loader.load_account_credentials("main_bot")
        finally:
            await loader.close()

    assert asyncio.run(bot())["aster"]["api_key"] == "main_bot-aster-key"


def test_under_a_bots_role_the_loader_needs_nothing_else(world: World, bot: LoginRole) -> None:
    world.account("main_bot", "aster")
    world.account("other", "aster")
    world.access.grant("main_bot", bot.name)
    with CredentialLoader(bot.address, keyring=world.keyring) as loader:
        assert loader.load("main_bot", "aster")["secret_key"] == "main_bot-aster-secret"
        for name in ("other", "nobody"):
            with pytest.raises(errors.NotPermitted):
                loader.load_account_credentials(name)


def test_a_replaced_key_is_loaded_without_a_restart(world: World, loader: CredentialLoader) -> None:
    """Pain 19: a key that was replaced must not need a restart of the bot."""
    world.account("main_bot", "aster")
    loader.load("main_bot", "aster")
    world.credential("main_bot", "aster", replace=True, api_key="new-key", secret_key="new-sec")
    assert loader.load("main_bot", "aster") == {"api_key": "new-key", "secret_key": "new-sec"}


@pytest.mark.parametrize("change", ["replace", "deactivate"])
def test_a_change_between_request_and_collection_gives_what_holds_then(
    world: World, loader: CredentialLoader, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    world.account("main_bot", "aster", "backpack")
    collect = registry.services.releases.releases._sealed
    changes = [change]

    def after_a_change(connection: Connection, wanted: Any) -> Any:
        match changes and changes.pop():
            case "replace":
                world.credential(
                    "main_bot", "aster", replace=True, api_key="new-k", secret_key="new-s"
                )
            case "deactivate":
                world.credentials.deactivate("main_bot", "aster")
        return collect(connection, wanted)

    monkeypatch.setattr(registry.services.releases.releases, "_sealed", after_a_change)
    loaded = loader.load_account_credentials("main_bot")
    assert loaded["backpack"]["secret_key"] == "main_bot-backpack-secret"
    if change == "replace":
        assert loaded["aster"] == {"api_key": "new-k", "secret_key": "new-s"}
    else:
        assert isinstance(loaded.problems["aster"], errors.CredentialInactive)


def test_one_bad_credential_hides_no_other(
    world: World, loader: CredentialLoader, connection: psycopg.Connection[Any]
) -> None:
    """Pain 18: one bad row must not fail the whole account."""
    world.account("main_bot", "aster", "backpack", "lighter")
    world.credentials.deactivate("main_bot", "lighter")
    with connection.transaction():
        connection.execute("ALTER TABLE account_exchange_credentials DISABLE TRIGGER ALL")
        connection.execute(
            "UPDATE account_exchange_credentials SET secret_key_encrypted = api_key_encrypted "
            "WHERE api_key_encrypted IS NOT NULL"
        )
    loaded = loader.load_account_credentials("main_bot")
    assert list(loaded) == ["backpack"]
    assert isinstance(loaded.problems["aster"], errors.CannotDecrypt)
    assert isinstance(loaded.problems["lighter"], errors.CredentialInactive)


def test_each_refusal_is_an_error_of_its_own(world: World, loader: CredentialLoader) -> None:
    world.account("empty")
    world.account("stopped", "aster")
    world.accounts.deactivate("stopped")
    world.account("main_bot", "aster")
    with pytest.raises(errors.AccountNotFound):
        loader.load_account_credentials("nobody")
    with pytest.raises(errors.AccountInactive):
        loader.load_account_credentials("stopped")
    with pytest.raises(errors.NoCredentials):
        loader.load_account_credentials("empty")
    with pytest.raises(errors.CredentialNotFound):
        loader.load("main_bot", "paradex")
    with pytest.raises(errors.ExchangeNotFound):
        loader.load("main_bot", "nowhere")
    with pytest.raises(errors.ReleaseRefused):
        loader.load("main_bot", "aster", access="read_only")


def releases(world: World, event_type: str = "CredentialReleased") -> int:
    """How many events of a type there are."""
    with world.database.connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM audit_events WHERE event_type = %s", [event_type]
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (None, errors.MasterKeyMissing),
        ("", errors.MasterKeyMissing),
        ("no-fernet-key", errors.MasterKeyMalformed),
    ],
)
@pytest.mark.usefixtures("no_key_configured")
def test_without_a_usable_key_no_loader_is_made(
    database_url: str, monkeypatch: pytest.MonkeyPatch, key: str | None, error: type[Exception]
) -> None:
    if key is not None:
        monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY", key)
    for kind in (CredentialLoader, AsyncCredentialLoader):
        with pytest.raises(error) as refused:
            kind(database_url)
        assert isinstance(refused.value, ValueError)


def test_a_key_that_has_gone_meanwhile_releases_nothing(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.account("main_bot", "aster")
    monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY", generate_master_key().reveal())
    with CredentialLoader(database_url) as loader:
        monkeypatch.delenv("CREDENTIAL_ENCRYPTION_KEY")
        monkeypatch.setenv("REGISTRY_CONFIG_DIR", str(tmp_path))
        with pytest.raises(errors.MasterKeyMissing):
            loader.load("main_bot", "aster")
    assert releases(world) == 0


def test_where_no_database_is_set_none_is_set_up(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REGISTRY_DATA_DIR", str(tmp_path / "data"))
    for use in (
        lambda: CredentialLoader(keyring=world.keyring),
        lambda: FundingArbPositionManager("main_bot"),
    ):
        with pytest.raises(errors.NoDatabase, match="no database is configured") as refused:
            use()
        assert isinstance(refused.value, ValueError)
    assert not (tmp_path / "data").exists()


# ---------------------------------------------------------------- what there is to know


def test_an_account_tells_its_id_its_exchanges_and_what_is_known_of_it(
    world: World, bot: LoginRole
) -> None:
    account_id = world.account("main_bot", "lighter", "aster", "backpack", max_positions=3)
    world.account("lender", "backpack")
    world.access.grant("main_bot", bot.name)
    world.credentials.add("main_bot", "aster", KEYS, permission="read_only")
    world.credentials.deactivate("main_bot", "backpack")
    with CredentialLoader(bot.address, keyring=world.keyring) as loader:
        assert loader.load_account_id("main_bot") == str(account_id)
        assert loader.list_account_exchanges("main_bot") == ["aster", "lighter"]
        assert loader.get_account_info("main_bot") == {
            "id": str(account_id),
            "account_name": "main_bot",
            "description": None,
            "is_active": True,
            "wallet_address": None,
            "metadata": '{"max_positions": 3}',
        }
    assert releases(world) == 0


def test_an_account_that_is_stopped_tells_only_what_is_known_of_it(
    world: World, loader: CredentialLoader
) -> None:
    world.account("stopped", "aster")
    world.accounts.deactivate("stopped")
    for ask in (loader.load_account_id, loader.list_account_exchanges):
        with pytest.raises(errors.AccountInactive) as refused:
            ask("stopped")
        assert isinstance(refused.value, ValueError)
    assert loader.get_account_info("stopped")["is_active"] is False


def test_what_a_bot_may_not_use_tells_nothing_not_even_whether_it_is_there(
    world: World, bot: LoginRole
) -> None:
    world.account("victim", "aster")
    with CredentialLoader(bot.address, keyring=world.keyring) as loader:
        for ask in (
            loader.load_account_id,
            loader.list_account_exchanges,
            loader.get_account_info,
            loader.load_account_credentials,
        ):
            told = []
            for name in ("victim", "nobody"):
                with pytest.raises(ValueError, match="may not use account") as refused:
                    ask(name)
                told.append(str(refused.value).replace(name, "X"))
            assert told[0] == told[1]


def test_what_is_known_of_an_account_can_be_awaited(world: World, database_url: str) -> None:
    account_id = world.account("main_bot", "aster")

    async def ask() -> tuple[Any, ...]:
        async with AsyncCredentialLoader(database_url, keyring=world.keyring) as loader:
            return (
                await loader.load_account_id("main_bot"),
                await loader.list_account_exchanges("main_bot"),
                (await loader.get_account_info("main_bot"))["account_name"],
            )

    assert asyncio.run(ask()) == (str(account_id), ["aster"], "main_bot")


@pytest.mark.parametrize(
    "load",
    ["load_account_id", "list_account_exchanges", "get_account_info", "load_account_credentials"],
)
def test_an_unknown_name_is_a_value_error(loader: CredentialLoader, load: str) -> None:
    with pytest.raises(ValueError, match="there is no account nobody"):
        getattr(loader, load)("nobody")


def test_a_wrong_key_is_said(world: World, database_url: str) -> None:
    world.account("main_bot", "aster")
    wrong = MasterKeyring([generate_master_key()])
    with CredentialLoader(database_url, keyring=wrong) as loader:
        with pytest.raises(errors.MasterKeyWrong):
            loader.load("main_bot", "aster")
        with pytest.raises(errors.MasterKeyWrong):
            loader.load_account_credentials("main_bot")


def test_no_server_and_an_unmigrated_one_are_said(
    empty_database: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_CONNECT_WAIT", "0")
    with (
        CredentialLoader(empty_database, keyring=world.keyring) as loader,
        pytest.raises(errors.NotMigrated),
    ):
        loader.load("main_bot", "aster")
    with (
        CredentialLoader(
            "postgresql://nobody@127.0.0.1:1/none", keyring=world.keyring
        ) as unreachable,
        pytest.raises(errors.DatabaseUnavailable),
    ):
        unreachable.load("main_bot", "aster")


def test_a_lost_connection_is_made_again(
    world: World, loader: CredentialLoader, connection: psycopg.Connection[Any]
) -> None:
    world.account("main_bot", "aster")
    loader.load("main_bot", "aster")
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert loader.load("main_bot", "aster")["api_key"] == "main_bot-aster-key"


def test_threads_share_a_loader(world: World, loader: CredentialLoader) -> None:
    world.account("main_bot", "aster", "backpack")
    results: list[Any] = []

    def work() -> None:
        results.extend(loader.load_account_credentials("main_bot") for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 30
    assert all(sorted(result) == ["aster", "backpack"] for result in results)
    assert releases(world) == 60


def test_async_loads_run_beside_each_other(world: World, database_url: str) -> None:
    world.account("main_bot", "aster", "backpack")

    async def bot() -> list[Any]:
        async with AsyncCredentialLoader(database_url, keyring=world.keyring) as loader:
            return await asyncio.gather(
                loader.load("main_bot", "aster"), loader.load("main_bot", "backpack")
            )

    assert [sorted(one) for one in asyncio.run(bot())] == [
        ["api_key", "secret_key"],
        ["public_key", "secret_key"],
    ]


# The environment as a fallback.


@pytest.fixture
def falling_back(world: World, database_url: str) -> Iterator[CredentialLoader]:
    """A loader that may use the environment."""
    with CredentialLoader(
        database_url, keyring=world.keyring, fallback=EnvironmentFallback()
    ) as opened:
        yield opened


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aster keys of main_bot, and plain ones of somebody."""
    for name, value in {
        "ASTER_API_KEY_MAIN_BOT": "env-key",
        "ASTER_SECRET_KEY_MAIN_BOT": "env-secret",
        "BACKPACK_PUBLIC_KEY": "somebody's",
        "BACKPACK_SECRET_KEY": "somebody's",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("variables")
def test_the_environment_is_not_used_unless_switched_on(
    world: World, loader: CredentialLoader
) -> None:
    world.account("main_bot")
    with pytest.raises(errors.NoCredentials):
        loader.load_account_credentials("main_bot")
    with pytest.raises(errors.CredentialNotFound):
        loader.load("main_bot", "aster")


@pytest.mark.usefixtures("variables")
def test_switched_on_it_gives_only_what_is_the_accounts_and_records_it(
    world: World, falling_back: CredentialLoader, caplog: pytest.LogCaptureFixture
) -> None:
    world.account("main_bot")
    loaded = falling_back.load_account_credentials("main_bot")
    assert loaded == {"aster": {"api_key": "env-key", "secret_key": "env-secret"}}
    assert falling_back.load("main_bot", "aster")["api_key"] == "env-key"
    assert releases(world, "EnvironmentFallbackUsed") == 2
    assert "taken from the environment" in caplog.text
    assert "env-secret" not in caplog.text


@pytest.mark.usefixtures("variables")
def test_what_the_registry_has_is_never_taken_from_the_environment(
    world: World, falling_back: CredentialLoader
) -> None:
    world.account("main_bot", "aster")
    assert falling_back.load("main_bot", "aster")["api_key"] == "main_bot-aster-key"
    world.credentials.deactivate("main_bot", "aster")
    with pytest.raises(errors.CredentialInactive):
        falling_back.load("main_bot", "aster")
    with pytest.raises(errors.CredentialInactive):
        falling_back.load_account_credentials("main_bot")
    assert releases(world, "EnvironmentFallbackUsed") == 0


@pytest.mark.usefixtures("variables")
def test_another_account_gets_nothing_from_these_variables(
    world: World, falling_back: CredentialLoader
) -> None:
    world.account("bot")
    world.account("MAIN-BOT")
    with pytest.raises(errors.CredentialNotFound):
        falling_back.load("bot", "aster")
    assert falling_back.load("MAIN-BOT", "aster")["api_key"] == "env-key"
    world.account("main_bot")
    with pytest.raises(errors.FallbackRefused):
        falling_back.load("MAIN-BOT", "aster")


def test_an_account_that_is_named_like_a_variable_owns_none(
    world: World, falling_back: CredentialLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.account("KEY")
    monkeypatch.setenv("ASTER_API_KEY", "somebody's")
    monkeypatch.setenv("ASTER_SECRET_KEY", "somebody's")
    with pytest.raises(errors.CredentialNotFound):
        falling_back.load("KEY", "aster")


def test_a_built_in_exchanges_variable_is_no_accounts_under_an_added_exchange_either(
    world: World, falling_back: CredentialLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as LIGHTER_ACCOUNT of the account INDEX it would be another bot's value."""
    field = {"name": "account", "env": "LIGHTER_ACCOUNT"}
    world.exchanges.add("lighter 2", [field])
    world.account("INDEX")
    world.account("INDEX2")
    monkeypatch.setenv("LIGHTER_ACCOUNT_INDEX", "4711")
    with pytest.raises(errors.CredentialNotFound):
        falling_back.load("INDEX", "lighter 2")
    monkeypatch.setenv("LIGHTER_ACCOUNT_INDEX2", "4712")
    assert falling_back.load("INDEX2", "lighter 2") == {"account": "4712"}


def test_some_fields_only_are_refused_and_not_filled_up(
    world: World, falling_back: CredentialLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.account("main_bot", "backpack")
    monkeypatch.setenv("ASTER_API_KEY_MAIN_BOT", "env-key")
    monkeypatch.setenv("ASTER_SECRET_KEY", "somebody's")
    with pytest.raises(errors.InvalidCredential, match="secret_key"):
        falling_back.load("main_bot", "aster")
    loaded = falling_back.load_account_credentials("main_bot")
    assert list(loaded) == ["backpack"]
    assert isinstance(loaded.problems["aster"], errors.InvalidCredential)


def test_an_env_file_must_be_named_for_the_account(
    world: World, database_url: str, tmp_path: Path
) -> None:
    world.account("main_bot")
    right, wrong = tmp_path / ".env.main_bot", tmp_path / ".env"
    for path in (right, wrong):
        path.write_text("ASTER_API_KEY=file-key\nASTER_SECRET_KEY=file-secret\n")
    for path, error in ((right, None), (wrong, errors.InvalidInput)):
        fallback = EnvironmentFallback(env_file=path)
        with CredentialLoader(database_url, keyring=world.keyring, fallback=fallback) as loader:
            if error is None:
                assert loader.load("main_bot", "aster")["api_key"] == "file-key"
            else:
                with pytest.raises(error):
                    loader.load("main_bot", "aster")


@pytest.mark.usefixtures("variables")
def test_under_a_bots_role_the_fallback_is_recorded_too(world: World, bot: LoginRole) -> None:
    world.account("main_bot")
    world.access.grant("main_bot", bot.name)
    with CredentialLoader(
        bot.address, keyring=world.keyring, fallback=EnvironmentFallback()
    ) as loader:
        assert loader.load("main_bot", "aster")["api_key"] == "env-key"
    with world.database.connection() as connection:
        row = connection.execute(
            "SELECT recorded_by FROM audit_events WHERE event_type = 'EnvironmentFallbackUsed'"
        ).fetchone()
    assert row == (bot.name,)


def test_the_variable_that_switches_it_on_must_be_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_ENV_FALLBACK", "maybe")
    with pytest.raises(errors.InvalidInput):
        CredentialLoader("postgresql://x@y/z", keyring=MasterKeyring([generate_master_key()]))
