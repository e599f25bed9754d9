"""The registry's figures for Prometheus: as promtool wants them, bounded, and without values."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.credentials import FIELDS
from support.registry_tables import add_positions
from support.world import World

from registry import Registry, errors
from registry.services.metrics import collector, figures

PROMTOOL = shutil.which("promtool")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "prometheus"
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="scripts/install-servers: prometheus")


@pytest.fixture
def filled(world: World, connection: psycopg.Connection[Any]) -> World:
    account = world.account("bot", "aster", max_positions=5, max_exposure_usd=250.5)
    world.account("friend")
    world.accounts.deactivate("friend")
    world.credentials.update("bot", "aster", expires_at="2020-01-31")
    add_positions(connection, "00000000-0000-0000-0000-000000000001")
    connection.execute("UPDATE strategy_positions SET account_id = %s", [account])
    return world


@pytest.fixture
def auditor(database_url: str, no_key_configured: None) -> Iterator[Registry]:
    with login_role(database_url, "registry_auditor") as role:
        with Registry.open(role.address) as opened:
            yield opened


def value(text: str, series: str) -> float:
    (found,) = re.findall(rf"^account_registry_{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found)


def test_an_auditor_reads_figures_and_no_value(filled: World, auditor: Registry) -> None:
    text = auditor.metrics()
    assert value(text, "up") == 1
    assert value(text, "log_events_total") == 5
    assert value(text, 'accounts{state="inactive"}') == 1
    assert value(text, 'credentials{exchange="aster",state="active"}') == 1
    assert value(text, 'problems{kind="expired",severity="critical"}') == 1
    assert value(text, 'problems{kind="due",severity="warning"}') == 0
    assert value(text, 'account_problems{account="bot",kind="expired"}') == 1
    assert value(text, 'account_open_positions{account="bot"}') == 1
    assert value(text, 'account_limit{account="bot",limit="max_positions"}') == 5
    slot = '{account="bot",exchange="aster",permission="full",subaccount=""}'
    assert value(text, f"credential_expiry_timestamp_seconds{slot}") == 1580428800
    assert not [secret for secret in FIELDS["aster"].values() if secret in text]
    assert auditor.metrics().count("\n") == text.count("\n")


def test_series_are_bounded_and_what_is_left_out_is_counted(
    filled: World, auditor: Registry
) -> None:
    text = auditor.metrics(most=1)
    assert text.count("account_registry_account_open_positions{") == 1
    assert value(text, 'series_left_out{metric="account_open_positions"}') == 1
    assert "series_left_out{" not in auditor.metrics(most=2)


def test_a_database_that_is_away_is_no_error_but_a_figure(tmp_path: Path) -> None:
    with Registry.open(f"postgresql:///x?host={tmp_path}") as away:
        text = away.metrics()
    assert value(text, "up") == 0
    assert "account_registry_accounts" not in text


def test_a_file_that_is_no_bookmark_is_named_and_a_missing_one_is_of_who_has_not_begun(
    filled: World, auditor: Registry, tmp_path: Path
) -> None:
    bookmark = tmp_path / "alerts.json"
    unread = 'consumer_unread_events{consumer="alerts.json"}'
    assert value(auditor.metrics(bookmarks=[bookmark]), unread) == 5
    bookmark.write_text("{}")
    with pytest.raises(errors.InvalidInput, match="is no bookmark"):
        auditor.metrics(bookmarks=[bookmark])


def test_who_asks_often_gets_the_figures_of_a_moment_ago(
    filled: World, auditor: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = auditor.metrics_collector()
    assert "accounts{" in collector.text_of(found)
    filled.account("another")
    assert 'accounts{state="active"} 1.0' in collector.text_of(found)
    monkeypatch.setattr(figures, "_LEAST_SECONDS", 0)
    monkeypatch.setattr(figures, "_SHARE", 1e9)
    assert 'accounts{state="active"} 2.0' in auditor.metrics()


@pytest.mark.parametrize("listen", ["9187", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "web:1"])
def test_what_is_no_address_is_refused(cli: CommandLine, listen: str) -> None:
    done = cli("metrics", "--listen", listen)
    assert (done.exit_status, "is no address to listen on" in done.err) == (2, True)


def test_an_address_in_use_is_an_error(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("metrics", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert (done.exit_status, "cannot listen on" in done.err) == (2, True)


def test_the_verb_writes_a_file_for_a_textfile_collector(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "registry.prom"
    assert cli("metrics", "--to", str(file)).exit_status == 0
    assert "\naccount_registry_up 1.0\n" in file.read_text()
    assert cli("metrics", "--json").data.startswith("# HELP account_registry_up")
    away = cli("metrics", "--to", str(file), DATABASE_URL=f"postgresql:///x?host={tmp_path}")
    assert (away.exit_status, "account-registry doctor" in away.err) == (7, True)
    assert "\naccount_registry_up 0.0\n" in file.read_text()
    assert cli("metrics", "--to", "x", "--listen", "127.0.0.1:0").exit_status == 2


@pytest.mark.slow
@needs_promtool
def test_promtool_finds_no_fault_in_the_figures(filled: World, auditor: Registry) -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"],
        input=auditor.metrics().encode(),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.slow
@needs_promtool
@pytest.mark.parametrize(
    "checks",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_no_fault_in_the_rules_and_they_alert(checks: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *checks], cwd=EXAMPLES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_consumers_whose_files_have_one_name_are_told_apart(
    filled: World, auditor: Registry, tmp_path: Path
) -> None:
    files = [tmp_path / folder / "place" for folder in ("one", "other")]
    text = auditor.metrics(bookmarks=files)
    assert [value(text, f'consumer_unread_events{{consumer="{file}"}}') for file in files] == [5, 5]


@pytest.mark.slow
def test_the_rules_name_metrics_that_there_are(
    filled: World, auditor: Registry, tmp_path: Path
) -> None:
    bookmark = tmp_path / "alerts.json"
    bookmark.write_text('{"position": -1}')
    text = auditor.metrics(bookmarks=[bookmark])
    there = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    named = set(re.findall(r"\b(account_registry_\w+)", (EXAMPLES / "alerts.yml").read_text()))
    assert named <= there
    assert value(text, 'consumer_unread_events{consumer="alerts.json"}') == 5


def test_without_its_package_it_says_how_to_get_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("registry.services.metrics.collector", "registry.services.metrics.serving"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    for options in ((), ("--listen", "127.0.0.1:0")):
        refused = cli("metrics", *options, "--json")
        assert (refused.exit_status, refused.error["code"]) == (1, "missing_extra")
        assert refused.error["hint"].endswith("install prometheus-client")
