"""Any input is accepted, or refused with a typed error; there is no other exception."""

import contextlib
import json
from typing import Any

import psycopg
from hypothesis import example, given
from hypothesis import strategies as st
from support.cli import CommandLine

from registry.catalog.catalog import built_in_exchanges
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.services.importing.env_files import find_credentials
from registry.values import account_name, parse_json, parse_metadata

# Half characters and control characters too.
TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELD = st.sampled_from(["api_key", "secret_key", "uid", "private_key", "account_index", ""])
FIELDS = st.dictionaries(FIELD | TEXT, JSON, max_size=4)
VARIABLES = [f.env for spec in built_in_exchanges().values() for f in spec.fields.values()]
LINE = st.builds(
    lambda name, value, quote: f"{name}={quote}{value}{quote}",
    st.sampled_from(VARIABLES),
    st.text(max_size=20),
    st.sampled_from(["", "'", '"']),
)
ENV_FILE = st.lists(LINE | st.text(max_size=20), max_size=8).map("\n".join)

TYPED = {0, 2, 3, 4, 5, 7}


def ended_well(cli: CommandLine, *arguments: str, stdin: str | bytes = "") -> bool:
    """Asserts that a verb was done or refused by a typed error; whether it was done."""
    result = cli(*arguments, stdin=stdin)
    assert result.exit_status in TYPED, result.err
    assert "unexpected" not in result.err.split("\n")[0]
    assert (result.exit_status == 0) == ("Error: " not in result.err)
    return result.exit_status == 0


@given(name=TEXT)
@example(name="--help")
@example(name="a\u0130b")
def test_any_account_name(cli: CommandLine, connection: psycopg.Connection[Any], name: str) -> None:
    if ended_well(cli, "create-account", "--", name):
        row = connection.execute(
            "SELECT account_name FROM accounts WHERE account_name = %s", [name]
        ).fetchone()
        assert row == (name,)
        assert ended_well(cli, "show-account", "--", name)
        assert ended_well(cli, "delete-account", "--yes", "--", name)


@given(text=JSON.map(json.dumps) | TEXT)
def test_any_metadata(cli: CommandLine, text: str) -> None:
    if ended_well(cli, "create-account", "a", f"--metadata={text}"):
        shown = cli("show-account", "a", "--json").data["metadata"]
        assert shown == parse_metadata(text)
        assert ended_well(cli, "delete-account", "a", "--yes")


@given(raw=FIELDS.map(json.dumps).map(str.encode) | st.binary(max_size=60))
def test_any_fields_of_a_credential(cli: CommandLine, raw: bytes) -> None:
    cli("create-account", "a")
    cli("add-credential", "a", "aster", "--from-json", "-", stdin=raw)
    ended_well(cli, "add-credential", "a", "aster", "--from-json", "-", stdin=raw)
    ended_well(cli, "add-credential", "a", "lighter", "--from-json", "-", stdin=raw)


@given(raw=ENV_FILE.map(str.encode) | st.binary(max_size=80))
def test_any_env_file(cli: CommandLine, raw: bytes) -> None:
    path = cli.folder / "any.env"
    path.write_bytes(raw)
    if ended_well(cli, "import-env", "a", "--env-file", str(path), "--create"):
        assert ended_well(cli, "import-env", "a", "--env-file", str(path))
        assert ended_well(cli, "delete-account", "a", "--yes")


@given(values=st.lists(TEXT, min_size=6, max_size=6))
def test_any_texts_in_all_options(cli: CommandLine, values: list[str]) -> None:
    names = ("wallet-address", "description", "actor", "reason", "command-id", "metadata")
    options = [f"--{name}={value}" for name, value in zip(names, values, strict=True)]
    ended_well(cli, "create-account", "a", *options)
    details = ("label", "expires-at", "ip", "exchange-account", "reason", "clear")
    options = [f"--{name}={value}" for name, value in zip(details, values, strict=True)]
    ended_well(cli, "update-credential", "a", "aster", *options)


@given(
    text=JSON.map(json.dumps)
    | TEXT
    | st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?(e-?[0-9]{1,25})?")
)
def test_strict_json_gives_the_same_value_as_any_reader_or_refuses(text: str) -> None:
    try:
        value = parse_json(text, "it")
    except InvalidInput:
        return
    assert value == json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()


@given(text=JSON.map(json.dumps))
def test_metadata_that_is_accepted_survives_jsonb(
    connection: psycopg.Connection[Any], text: str
) -> None:
    try:
        value = parse_metadata(text)
    except InvalidInput:
        return
    row = connection.execute("SELECT %s::jsonb", [json.dumps(value)]).fetchone()
    assert row is not None
    assert row[0] == value


@given(name=TEXT)
def test_a_name_is_accepted_as_it_is_or_refused(name: str) -> None:
    try:
        assert account_name(name) == name
    except InvalidInput:
        return
    assert name.strip() == name != ""
    assert not any(character in name for character in "\n\r\t\0\x7f\u200b\u2028")


@given(exchange=st.sampled_from(sorted(built_in_exchanges())), values=FIELDS)
def test_any_values_are_a_credential_or_refused(exchange: str, values: dict[str, Any]) -> None:
    spec = built_in_exchanges()[exchange]
    try:
        checked = spec.check(values)
    except InvalidInput as error:
        shown = error.message + (error.hint or "")
        for value in values.values():
            if isinstance(value, str) and len(value) > 10:
                assert value not in shown
        return
    assert all(isinstance(value, Secret) for value in checked.values())
    assert {name for name, f in spec.fields.items() if f.required} <= checked.keys()


@given(values=st.dictionaries(st.sampled_from(VARIABLES) | TEXT, TEXT, max_size=6))
def test_any_variables_are_credentials_or_refused(values: dict[str, str]) -> None:
    secrets = {name: Secret(value) for name, value in values.items()}
    with contextlib.suppress(InvalidInput):
        assert find_credentials(secrets, built_in_exchanges().values()).credentials
