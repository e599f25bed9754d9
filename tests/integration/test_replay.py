"""The tables equal a replay of the log after any commands."""

from typing import Any

import psycopg
from support.cli import CommandLine
from support.credentials import ENV_FILE, FIELDS
from support.tables import live_rows, replayed_rows

from registry.plain import to_json

STEPS: list[tuple[str, ...]] = [
    ("create-account", "one", "--metadata", '{"a": 1.50, "b": [null, true, {"c": "ü"}]}'),
    ("create-account", "two", "--wallet-address", "0xA1", "--description", "x"),
    ("update-account", "one", "--description", "größe", "--metadata", '{"a": 1e-7}'),
    ("update-account", "one", "--clear", "description", "--clear", "metadata"),
    ("deactivate-credential", "env", "lighter"),
    (
        "update-credential",
        "env",
        "paradex",
        "--label",
        "x",
        "--expires-at",
        "2030-01-31T12:00:00.5Z",
    ),
    ("update-credential", "env", "paradex", "--ip", "203.0.113.7", "--ip", "2001:DB8::/32"),
    ("update-credential", "env", "paradex", "--clear", "ip", "--exchange-account", "acct"),
    ("reactivate-credential", "env", "lighter"),
    ("remove-credential", "env", "backpack", "--yes"),
    ("rename-account", "two", "three"),
    ("deactivate-account", "three"),
    ("reactivate-account", "three"),
    ("delete-account", "one", "--yes"),
    ("create-account", "one"),
    ("add-exchange", "kraken", "--field", "api_key=KRAKEN_API_KEY"),
]


def test_after_every_kind_of_command_the_tables_are_a_replay_of_the_log(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("import-env", "env", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    for verb in ("add-credential", "replace-credential"):
        for permission in ("full", "read_only"):
            fields = to_json({**FIELDS["aster"], "api_key": f"k7-{verb}-{permission}"})
            arguments = (verb, "env", "aster", "--permission", permission, "--from-json", "-")
            assert cli(*arguments, stdin=fields).exit_status == 0
            assert live_rows(connection) == replayed_rows(connection)
    rotate = ("rotate-credential", "env", "aster", "--permission", "full")
    for number, options in enumerate(
        [
            ("--prepare",),
            ("--activate", "--no-check"),
            ("--retire",),
            ("--prepare", "--label", "x"),
            ("--abandon",),
        ]
    ):
        fields = to_json({**FIELDS["aster"], "api_key": f"k8-{number}"})
        given = ("--from-json", "-") if "--prepare" in options else ()
        done = cli(*rotate, *options, *given, stdin=fields)
        assert done.exit_status == 0, done.err
        assert live_rows(connection) == replayed_rows(connection), options
    for step in STEPS:
        done = cli(*step)
        assert done.exit_status == 0, (step, done.err)
        assert live_rows(connection) == replayed_rows(connection), step
    assert {len(rows) for rows in live_rows(connection).values()} == {3, 4, 9, 0}
    types = {row[0] for row in connection.execute("SELECT DISTINCT event_type FROM audit_events")}
    assert len(types) == 16
