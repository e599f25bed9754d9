"""The public API: `Registry` can do everything that the command line can."""

import asyncio
import datetime as dt
import inspect
import runpy
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.tables import nothing_written
from support.world import World

from registry import AsyncRegistry, Registry, Secret, errors
from registry.encryption.keyring import MasterKeyring, generate_master_key

PROJECT = Path(__file__).resolve().parents[2]
ASTER = {"api_key": "aster-key-1", "secret_key": "aster-secret-1"}
PAGE = PROJECT / "docs/python-api.md"


@pytest.fixture
def registry(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    """A registry as a program opens it, in an environment of its own."""
    monkeypatch.setenv("REGISTRY_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("REGISTRY_CONNECT_WAIT", "0")
    key = generate_master_key()
    with Registry.open(database_url, key=key, actor="program@host") as opened:
        yield opened


# ---------------------------------------------------------------- the page


def test_the_page_is_what_the_docstrings_say() -> None:
    reference = runpy.run_path(str(PROJECT / "scripts/python_reference.py"))["reference"]
    assert reference() == PAGE.read_text(), "run scripts/python-reference"


def example(number: int) -> CodeType:
    """One of the page's examples."""
    text = PAGE.read_text().split("```python\n")[1:][number].partition("```")[0]
    return compile(text, str(PAGE), "exec")


def test_the_pages_example_of_following_gets_each_key_until_the_stop(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    key = generate_master_key()
    monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY", key.reveal())
    with Registry.open(database_url, key=key, actor="ann") as ann:
        ann.accounts.create("main_bot")
        ann.credentials.add("main_bot", "aster", ASTER)
        keys = []

        def connect(api_key: str, secret_key: str) -> None:
            keys.append(api_key)
            if len(keys) == 1:
                fresh = {"api_key": "aster-key-2", "secret_key": "aster-secret-2"}
                ann.credentials.replace("main_bot", "aster", fresh)
            else:
                ann.stop(account="main_bot", reason="enough")

        names: dict[str, Any] = {}
        exec(example(1), names)  # noqa: S102 - our own page
        assert "enough" in asyncio.run(names["trade"](connect))
    assert keys == ["aster-key-1", "aster-key-2"]


def test_the_pages_example_runs(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY", generate_master_key().reveal())
    monkeypatch.setenv("REGISTRY_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("REGISTRY_ACTOR", "ann@desk")
    exec(example(0), {})  # noqa: S102 - our own page
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "0 AccountCreated ann@desk first bot"
    assert told[-1].startswith("hedge_bot + ")
    assert not any("aster-secret" in line for line in told)


# ---------------------------------------------------------------- who asks, why and how


def test_a_change_says_who_why_and_which_command_it_is(registry: Registry) -> None:
    command = uuid.uuid4()
    first = registry.accounts.create("bot", actor="ann", reason="first", command_id=str(command))
    again = registry.accounts.create("bot", actor="ann", reason="first", command_id=command)
    registry.accounts.update("bot", description="trades")
    assert (again.replayed, again.positions) == (True, first.positions)
    told = [(e["actor"], e["reason"]) for e in registry.history("bot")]
    assert told == [("ann", "first"), ("program@host", None)]
    (by_ann,) = registry.history(by="ann", command=command)
    assert by_ann["event_type"] == "AccountCreated"


def test_a_dry_run_and_a_stale_version_change_nothing(
    registry: Registry, database_url: str
) -> None:
    registry.accounts.create("bot")
    with nothing_written(database_url):
        told = registry.accounts.rename("bot", "other", dry_run=True)
        assert told.event_types == ("AccountRenamed",)
        with pytest.raises(errors.StaleVersion):
            registry.accounts.deactivate("bot", expected_version=7)


@pytest.mark.parametrize("call", ["create", "rename", "deactivate", "remove", "add", "update"])
def test_a_misspelt_name_is_an_error_and_changes_nothing(
    registry: Registry, database_url: str, call: str
) -> None:
    registry.accounts.create("bot")
    registry.credentials.add("bot", "aster", ASTER)
    wrong: dict[str, Any] = {"resaon": "x"}
    calls = {
        "create": lambda: registry.accounts.create("new", **wrong),
        "rename": lambda: registry.accounts.rename("bot", "new", **wrong),
        "deactivate": lambda: registry.credentials.deactivate("bot", "aster", **wrong),
        "remove": lambda: registry.credentials.remove("bot", "aster", **wrong),
        "add": lambda: registry.credentials.add("bot", "aster", ASTER, subaccount=3, **wrong),
        "update": lambda: registry.credentials.update("bot", "aster", **wrong),
    }
    with nothing_written(database_url), pytest.raises(TypeError, match="argument named 'resaon'"):
        calls[call]()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda r: r.accounts.create(5), "account must be str, not int"),
        (lambda r: r.accounts.create("a", metadata="{}"), "metadata must be dict or None, not str"),
        (lambda r: r.accounts.create("a", dry_run="no"), "dry_run must be bool, not str"),
        (lambda r: r.accounts.rename("bot", None), "new_name must be str, not NoneType"),
        (lambda r: r.credentials.add("bot", "aster", None), "fields must be Mapping"),
        (lambda r: r.credentials.add("bot", "aster", ASTER, subaccount="3"), "must be int or None"),
        (lambda r: r.credentials.add("bot", "aster", ASTER, subaccount=True), "not bool"),
        (lambda r: r.credentials.add("bot", "aster", ASTER, permission="w"), "'full' or 'read_on"),
        (lambda r: r.credentials.update("bot", "aster", ip_allow_list="1.2.3.4"), "must be Sequ"),
        (lambda r: r.shares.grant("bot", "b", "aster", "x"), "sharing_type must be 'full' or"),
        (lambda r: r.positions.link("bot", "x"), "position must be Iterable, not str"),
        (lambda r: r.history(limit="5"), "limit must be int, not str"),
        (lambda r: r.migrate("sideways"), "direction must be 'up' or 'down'"),
        (lambda r: r.import_env("bot", 5), "env_file must be Path or str, not int"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_what_it_was_given_for(
    registry: Registry, database_url: str, call: Callable[[Any], Any], told: str
) -> None:
    registry.accounts.create("bot")
    with nothing_written(database_url), pytest.raises(errors.InvalidInput, match=told):
        call(registry)


# ---------------------------------------------------------------- secrets


def test_plain_text_becomes_a_secret_before_anything_can_fail(registry: Registry) -> None:
    """So that no frame of a traceback, which some tools print with its values, shows it."""
    registry.accounts.create("bot")
    fields = {"api_key": "aster-key-1", "secret_key": "canary-1", "more": "canary-2"}
    with pytest.raises(errors.InvalidCredential) as refused:
        registry.credentials.add("bot", "aster", fields)
    below = [f for f, _ in traceback.walk_tb(refused.value.__traceback__)][2:]
    shown = "".join(
        repr(value)
        for frame in below
        for name, value in frame.f_locals.items()
        if value is not fields and name != "given"
    )
    assert "canary" not in shown + str(refused.value)


@pytest.mark.parametrize("value", [["canary"], {"a": "canary"}, 1.5, b"canary"])
def test_a_field_that_is_neither_text_nor_number_is_refused_unseen(
    registry: Registry, value: Any
) -> None:
    registry.accounts.create("bot")
    with pytest.raises(errors.InvalidCredential, match="'api_key' of aster must be a text") as told:
        registry.credentials.add("bot", "aster", {**ASTER, "api_key": value})
    assert "canary" not in str(told.value)


def test_a_revealed_field_is_a_secret_and_a_release(registry: Registry) -> None:
    registry.accounts.create("bot")
    registry.credentials.add("bot", "aster", {"api_key": Secret("k"), "secret_key": Secret("s")})
    revealed = registry.credentials.reveal("bot", "aster", "secret_key", reason="audit")
    assert (repr(revealed), revealed.reveal()) == ("Secret(***)", "s")
    assert registry.history("bot")[-1]["event_type"] == "CredentialReleased"
    with pytest.raises(errors.InvalidInput, match="say which field"):
        registry.credentials.reveal("bot", "aster")


# ---------------------------------------------------------------- what there is to do


def test_accounts_credentials_and_shares_live_through_it(registry: Registry) -> None:
    """Every change of the three, and what can be read of it."""
    registry.accounts.create("a", wallet_address="0x00000000000000000000000000000000000000A1")
    registry.accounts.create("b")
    registry.credentials.add("a", "aster", ASTER, label="main", expires_at="2030-01-31")
    other = {"api_key": "aster-key-2", "secret_key": "aster-secret-2"}
    replaced = registry.credentials.replace("a", "aster", other, expires_at="2031-01-31")
    assert replaced.stored[0].version == 2
    (version,) = registry.credentials.whose_key("aster-secret-2")
    assert (version["account_name"], version["version"]) == ("a", 2)
    registry.credentials.update("a", "aster", label=None, ip_allow_list=["203.0.113.7"])
    (held,) = registry.credentials.list("a", due=dt.timedelta(days=36500))
    assert (held["label"], held["ip_allow_list"]) == (None, ["203.0.113.7"])
    assert held["expires_at"] == dt.datetime(2031, 1, 31, tzinfo=dt.UTC)
    registry.shares.grant("b", "a", "aster")
    registry.shares.change("b", "a", "aster", "read_only")
    (share,) = registry.shares.list("b")
    assert (share["lender"], share["sharing_type"]) == ("a", "read_only")
    (resolved,) = registry.credentials.resolve("b")
    assert "read_only" in resolved.reason()
    with pytest.raises(errors.AccountInUse):
        registry.accounts.delete("b")
    registry.shares.revoke("b", "aster")
    registry.accounts.deactivate("b")
    registry.accounts.reactivate("b")
    registry.credentials.deactivate("a", "aster")
    registry.credentials.reactivate("a", "aster")
    registry.credentials.destroy_secrets("a", "aster", old=True)
    reach = registry.exposure.blast_radius("a", "aster", since="2020-01-01")
    assert [one["account"] for one in reach.could_use][:1] == ["a"]
    assert registry.exposure.who_could_use("a", "aster").received == []
    registry.credentials.remove("a", "aster", destroy=True)
    registry.accounts.rename("a", "c")
    registry.accounts.delete("c")
    assert [row["account_name"] for row in registry.accounts.list()] == ["b"]
    before = {row["account_name"] for row in registry.accounts.list(as_of=1)}
    assert before == {"a", "b"}
    assert registry.accounts.get("a", as_of="3")["credentials"][0]["version"] == 2
    assert registry.rebuild(check=True).report.differing == 0
    assert registry.rebuild().position is None
    assert registry.verify().failures == []


def test_exchanges_access_and_positions_live_through_it(
    registry: Registry, bot: LoginRole, connection: psycopg.Connection[Any]
) -> None:
    registry.accounts.create("main_bot")
    registry.exchanges.add("desk", [{"name": "api_key", "env": "DESK_API_KEY"}])
    assert list(registry.exchanges.get("desk").fields) == ["api_key"]
    assert "desk" in [one.name for one in registry.exchanges.list()]
    for field in ({"name": "x"}, {"name": "x", "env": "OTHER_KEY", "colour": "red"}):
        with pytest.raises(errors.InvalidInput, match="a field of an exchange is not valid"):
            registry.exchanges.add("other", [field])
    registry.access.grant("main_bot", bot.name)
    assert [row["role"] for row in registry.access.list("main_bot")] == [bot.name]
    registry.access.revoke("main_bot", bot.name)
    position = uuid.uuid4()
    connection.execute("INSERT INTO symbols (symbol) VALUES ('BTC')")
    connection.execute(
        "INSERT INTO strategy_positions (id, strategy_name, symbol_id, long_dex_id, short_dex_id,"
        " size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at, status)"
        " SELECT %s, 's', s.id, 1, 2, 10, 0, 0, 0, now(), 'open' FROM symbols AS s",
        [position],
    )
    with pytest.raises(errors.InvalidInput, match="which positions"):
        registry.positions.link("main_bot")
    with pytest.raises(errors.InvalidInput, match="a position's id is a UUID"):
        registry.positions.link("main_bot", ["first"])
    registry.positions.link("main_bot", [position])
    registry.positions.unlink("main_bot", [str(position)])
    registry.positions.link("main_bot", unowned=True)
    (row,) = registry.positions.list("main_bot")
    assert (row["id"], row["opened_at"].tzinfo is None) == (position, False)


def test_files_come_in_and_mistakes_go_back(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "bot.env"
    path.write_text("LIGHTER_ACCOUNT_INDEX=7\nAPI_KEY_PRIVATE_KEY=lighter-secret\n")
    with pytest.raises(errors.AccountNotFound) as refused:
        registry.import_env("bot", path)
    assert refused.value.hint is not None
    assert refused.value.hint.endswith("Or add create=True.")
    found, done = registry.import_env("bot", str(path), create=True, subaccount=3)
    assert (list(found.credentials), str(done.stored[0].slot)) == (
        ["lighter"],
        "lighter subaccount 3",
    )
    config = tmp_path / "api-keys.json"
    config.write_text('{"one": {"exchange": "aster", "key": "k", "secret": "s"}}')
    registry.import_config("bot", config)
    registry.accounts.update("bot", description="by mistake")
    plan = registry.plan_rollback(2, account="bot")
    assert len(plan.lines) > 0
    registry.rollback(2, account="bot", seen=plan, reason="undone")
    assert registry.accounts.get("bot")["description"] == "Account from .env: bot"
    with pytest.raises(errors.ChangedMeanwhile):
        registry.rollback(0, account="bot", seen=plan, skip=True)


def test_a_folder_comes_in_as_a_whole(registry: Registry, tmp_path: Path) -> None:
    for name in ("a", "b"):
        text = f"ASTER_API_KEY=key-of-{name}\nASTER_SECRET_KEY=secret-of-{name}\n"
        (tmp_path / f".env.{name}").write_text(text)
    seen: list[str] = []

    def refuse(files: list[Any], existing: Any) -> None:
        seen.extend(f"{file.account} {file.account in existing}" for file in files)
        raise errors.ConfirmationNeeded("no")

    with pytest.raises(errors.ConfirmationNeeded):
        registry.import_folder(tmp_path, create=True, approve=refuse)
    assert (seen, registry.accounts.list()) == (["a False", "b False"], [])
    _, outcomes = registry.import_folder(str(tmp_path), create=True)
    assert [len(outcome.positions) for outcome in outcomes.values()] == [2, 2]
    with pytest.raises(errors.InvalidInput, match="belongs to one account's import"):
        registry.import_folder(tmp_path, subaccount=3)


def test_what_was_signed_is_proved(registry: Registry, tmp_path: Path) -> None:
    from registry.services.audit.checkpoint_store import CheckpointStore

    CheckpointStore().generate("host/registry")
    registry.accounts.create("bot")
    registry.credentials.add("bot", "aster", ASTER)
    signed, note = registry.checkpoint(append=tmp_path / "checkpoints.txt")
    assert (signed.size, note in (tmp_path / "checkpoints.txt").read_text()) == (2, True)
    assert registry.verify(against=tmp_path / "checkpoints.txt").checkpoints == 1
    for document in (registry.prove(1), registry.prove("bot", "aster")):
        assert [leaf.event_type for leaf in Registry.verify_proof(document).events] == [
            "CredentialAdded"
        ]
    with pytest.raises(errors.InvalidInput, match="a proof is of"):
        registry.prove("bot")


def test_the_given_key_is_used_for_all_that_needs_one(
    world: World, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY", generate_master_key().reveal())
    world.account("bot", "aster")
    assert (world.verify().data_keys, world.verify(processes=4).data_keys) == (1, 1)
    grades = {one.check: one.grade for one in world.doctor()}
    assert (grades["master key"], grades["data keys"]) == ("ok", "ok")
    assert world.loader.load("bot", "aster")["api_key"] == "bot-aster-key"
    assert world.rotate_master_key().keys == 0
    assert world.end_session() is None
    with Registry.open(database_url) as other, pytest.raises(errors.MasterKeyWrong):
        other.credentials.add("bot", "backpack", {"public_key": "p", "secret_key": "s"})


def test_down_and_up_again(registry: Registry) -> None:
    registry.accounts.create("bot")
    registry.migrate("down")
    with pytest.raises(errors.NotMigrated) as refused:
        registry.accounts.list()
    assert str(refused.value.hint).startswith('Run: registry.migrate("up")')
    registry.migrate("up")
    assert [row["account_name"] for row in registry.accounts.list()] == ["bot"]


# ---------------------------------------------------------------- threads, asyncio, misuse


def test_threads_share_a_registry(registry: Registry) -> None:
    names = [f"bot_{number}" for number in range(12)]
    threads = [threading.Thread(target=registry.accounts.create, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["account_name"] for row in registry.accounts.list()} == set(names)


def test_every_call_can_be_awaited(database_url: str, keyring: MasterKeyring) -> None:
    del keyring

    async def work() -> list[str]:
        async with AsyncRegistry.open(database_url, key=generate_master_key()) as registry:
            await asyncio.gather(*(registry.accounts.create(name) for name in "abc"))
            await registry.credentials.add("a", "aster", ASTER)
            loaded = await registry.loader.load("a", "aster")
            assert loaded["secret_key"] == "aster-secret-1"
            with pytest.raises(errors.AccountExists):
                await registry.accounts.create("a")
            assert (await registry.verify()).failures == []
            assert "create" in dir(registry.accounts)
            return [row["account_name"] for row in await registry.accounts.list()]

    assert asyncio.run(work()) == ["a", "b", "c"]


def test_it_has_all_that_a_registry_has() -> None:
    closed = AsyncRegistry.open("postgresql://nobody@127.0.0.1:1/none")
    public = [name for name in dir(Registry) if not name.startswith("_")]
    assert set(public) - set(dir(closed)) == {"follow", "stream_history"}
    assert inspect.iscoroutinefunction(closed.accounts.create)
    with pytest.raises(AttributeError, match="use a Registry in a thread"):
        _ = closed.follow
    with pytest.raises(AttributeError, match="acounts"):
        _ = closed.acounts


def test_what_is_closed_stays_closed(database_url: str) -> None:
    with Registry.open(database_url) as registry:
        registry.accounts.list()
    with pytest.raises(errors.RegistryClosed, match="the registry was closed"):
        registry.accounts.list()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("mysql://host/x", errors.InvalidInput),
        ("postgresql://nobody@127.0.0.1:1/none", errors.DatabaseUnavailable),
    ],
)
def test_a_database_that_cannot_be_had_is_said(
    url: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_CONNECT_WAIT", "0")
    with pytest.raises(error):
        Registry.open(url).accounts.list()


@pytest.mark.usefixtures("no_key_configured")
def test_a_key_that_cannot_be_had_is_said_before_anything_is_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry.open(database_url) as registry:
        registry.accounts.create("bot")
        with nothing_written(database_url), pytest.raises(errors.MasterKeyMissing):
            registry.credentials.add("bot", "aster", ASTER)
    with pytest.raises(errors.MasterKeyMalformed):
        Registry.open(database_url, key="no-fernet-key")


def test_an_error_tells_calls_and_no_commands(registry: Registry) -> None:
    with pytest.raises(errors.AccountNotFound) as refused:
        registry.accounts.get("nobody")
    assert refused.value.hint == "See: registry.accounts.list()"
    told = "".join(traceback.format_exception(refused.value))
    assert told.endswith("there is no account nobody\nSee: registry.accounts.list()\n")


def test_a_program_writes_nothing_to_its_output_unasked(database_url: str, tmp_path: Path) -> None:
    program = (
        "from registry import Registry\n"
        "with Registry.open() as registry:\n"
        "    registry.accounts.create('bot')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DATABASE_URL": database_url, "REGISTRY_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_the_package_and_the_loader_bring_no_front_door_along() -> None:
    program = (
        "import sys, registry, registry.loader\n"
        "print([name for name in sys.modules if 'facade' in name or 'registry.registry' in name])\n"
        "print(registry.Registry.__name__, registry.Secret.__name__, *registry.__all__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout == "[]\nRegistry Secret AsyncRegistry Registry Secret\n"
