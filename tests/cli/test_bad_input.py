"""Bad input: a clear error with the right exit code, and nothing written."""

import json
from typing import Final

import pytest
from support.cli import CommandLine
from support.credentials import FIELDS
from support.tables import nothing_written

ASTER = json.dumps(FIELDS["aster"])


def refused(
    cli: CommandLine,
    status: int,
    code: str,
    message: str,
    *arguments: str,
    stdin: str | bytes = "",
    **environment: str,
) -> None:
    """Asserts that the verb is refused in this way, as text and as JSON, and writes nothing."""
    url = cli.environment["DATABASE_URL"]
    with nothing_written(url):
        text = cli(*arguments, stdin=stdin, **environment)
        data = cli(*arguments, "--json", stdin=stdin, **environment)
    assert (text.exit_status, text.out) == (status, "")
    assert text.err.startswith("Error: ")
    assert message in text.err
    assert 1 <= text.err.rstrip("\n").count("\n") + 1 <= 2
    assert "Traceback" not in text.err
    assert (data.exit_status, data.out) == (status, "")
    assert (data.error["code"], data.error["exit_status"]) == (code, status)
    assert message in data.error["message"] + " " + (data.error["hint"] or "")


NAMES = [
    ("", "an account name cannot be blank"),
    ("   ", "an account name cannot be blank"),
    (" bot7", "an account name cannot start or end with a space"),
    ("bot7\n", "an account name cannot start or end with a space"),
    ("x" * 256, "an account name has 255 characters at most, not 256"),
    ("bot\n7", "an account name cannot hold the invisible character U+000A"),
    ("bot\x1b[31m", "an account name cannot hold the invisible character U+001B"),
    ("bot\u200b7", "an account name cannot hold the invisible character U+200B"),
    ("cafe\u0301", "must be in Unicode's composed form"),
    ("bot\udcff", "is not valid UTF-8 text"),
    ("~bot", "an account name cannot start with ~, which steers a shell"),
    ("#bot", "an account name cannot start with #"),
    ("=bot", "an account name cannot start with ="),
    ("a;b", "an account name cannot hold ;"),
    ("grid_*", "an account name cannot hold *"),
    ("$HOME", "an account name cannot hold $"),
]


@pytest.mark.parametrize(("name", "message"), NAMES, ids=[repr(name)[:12] for name, _ in NAMES])
def test_a_name_that_could_not_be_found_again(bot: CommandLine, name: str, message: str) -> None:
    """Pain 8: empty, blank, padded and control-character names must not be accepted."""
    refused(bot, 2, "invalid_input", message, "create-account", name)
    refused(bot, 2, "invalid_input", message, "rename-account", "bot", name)


@pytest.mark.parametrize("name", ["-x", "--json", "-"])
def test_a_name_that_looks_like_an_option(bot: CommandLine, name: str) -> None:
    done = bot("create-account", "--", name)
    assert (done.exit_status, done.out) == (2, "")
    assert "an account name cannot start with -, which steers a shell" in done.err


def test_a_name_that_is_taken(bot: CommandLine) -> None:
    message = "there is an account bot already"
    refused(bot, 4, "account_exists", message, "create-account", "bot")
    refused(bot, 4, "account_exists", message, "create-account", "bot", "--dry-run")
    bot("create-account", "other")
    refused(bot, 4, "account_exists", message, "rename-account", "other", "bot")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("[]", "metadata must be a JSON object, not an array"),
        ('"text"', "metadata must be a JSON object, not a string"),
        ("null", "metadata must be a JSON object, not null"),
        ("5", "metadata must be a JSON object, not a number"),
        ("{", "metadata is not JSON"),
        ("{'a': 1}", "metadata is not JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": 9007199254740993}', "an integer that JSON cannot carry exactly"),
        ('{"a": 0.1234567890123456789}', "a number that JSON cannot carry exactly"),
        ('{"a": 1e999}', "a number that JSON cannot carry exactly"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": "\\u0000"}', "a character that PostgreSQL cannot store"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"max_positions": -1}', "max_positions must be a whole number"),
        ('{"max_exposure_usd": "much"}', "max_exposure_usd must be a number"),
        ("@/nowhere/at/all", "cannot read /nowhere/at/all: No such file"),
        ('{"a": ' + "[" * 50 + "]" * 50 + "}", "levels deep"),
    ],
)
def test_metadata_that_would_not_survive(bot: CommandLine, metadata: str, message: str) -> None:
    """Pain 8: metadata as a list or a string must not be accepted."""
    refused(bot, 2, "invalid_input", message, "create-account", "new", "--metadata", metadata)
    refused(bot, 2, "invalid_input", message, "update-account", "bot", "--metadata", metadata)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("update-account", "bot"), "nothing to change was named"),
        (("update-account", "bot", "--clear", "name"), "there is no detail 'name' to clear"),
        (
            ("update-account", "bot", "--description", "x", "--clear", "description"),
            "description cannot be set and cleared at once",
        ),
        (("update-account", "bot", "--description", " "), "a description cannot be blank"),
        (("update-account", "bot", "--wallet-address", "a b"), "cannot hold spaces"),
        (("update-account", "bot", "--wallet-address", "0x..."), "is a placeholder"),
        (("deactivate-account", "bot", "--actor", " "), "the actor cannot be blank"),
        (("deactivate-account", "bot", "--reason", "x" * 1001), "1000 characters at most"),
        (("deactivate-account", "bot", "--command-id", "7"), "'7' is not a UUID"),
        (("deactivate-account", "bot", "--expected-version", "-1"), "is 0 or more"),
        (("history", "--since", "last week"), "--since 'last week' is not a moment"),
        (("history", "--since", "1.5d"), "--since '1.5d' is not a moment"),
        (("list-credentials", "--due", "2months"), "--due '2months' is not a span of time"),
        (("history", "--until", "2030-01-01T00:00:00"), "says no time zone"),
        (("history", "--follow", "--until", "yesterday"), "what is followed has no end"),
    ],
)
def test_options_that_mean_nothing(
    bot: CommandLine, arguments: tuple[str, ...], message: str
) -> None:
    refused(bot, 2, "invalid_input", message, *arguments)


SLOT_VERBS = [
    ("update-credential", "--label", "x"),
    ("deactivate-credential",),
    ("reactivate-credential",),
    ("remove-credential", "--yes"),
]


def test_an_unknown_exchange(bot: CommandLine) -> None:
    message = "there is no exchange krakn"
    for verb, *options in (*SLOT_VERBS, ("add-credential", "--from-json", "-")):
        arguments = (verb, "bot", "krakn", *options)
        refused(bot, 3, "exchange_not_found", message, *arguments, stdin=ASTER)
    refused(bot, 3, "exchange_not_found", message, "list-credentials", "--exchange", "krakn")
    refused(bot, 3, "exchange_not_found", message, "history", "--exchange", "krakn")
    hint = "Did you mean aster?"
    refused(bot, 3, "exchange_not_found", hint, "deactivate-credential", "bot", "Aster")


@pytest.mark.parametrize("verb", ["add-credential", "replace-credential"])
@pytest.mark.parametrize(
    ("stdin", "code", "message"),
    [
        ("", "invalid_input", "standard input is not JSON"),
        ("[1]", "invalid_input", "standard input does not hold a JSON object"),
        ("{}", "invalid_credential", "the aster credential lacks api_key, secret_key"),
        ('{"api_key": "k7"}', "invalid_credential", "the aster credential lacks secret_key"),
        (
            '{"api_key": "k7", "secret_key": "s7", "password": "p7"}',
            "invalid_credential",
            "aster has no field 'password'",
        ),
        (
            '{"api_key": "your_api_key_here", "secret_key": "s7"}',
            "invalid_credential",
            "the field api_key of aster is a template's placeholder",
        ),
        ('{"api_key": "", "secret_key": "s7"}', "invalid_credential", "api_key of aster is empty"),
        ('{"api_key": 5, "secret_key": "s7"}', "invalid_credential", "must be a text"),
        ('{"api_key": null, "secret_key": "s7"}', "invalid_credential", "lacks api_key"),
        ('{"api_key": "a", "api_key": "b"}', "invalid_input", "stands twice"),
        ('{"api_key": "\\ud800", "secret_key": "s7"}', "invalid_input", "half a character"),
        (b"\xff\xfe{}", "invalid_input", "standard input is not UTF-8 text"),
        ('{"a": "' + "x" * 1024 * 1024 + '"}', "invalid_input", "larger than such a file"),
    ],
)
def test_fields_that_are_no_credential(
    bot: CommandLine, verb: str, stdin: str | bytes, code: str, message: str
) -> None:
    """Pains 2 and 3: incomplete fields and placeholders must not be stored."""
    bot.store("bot", "aster")
    exchange = "aster"
    slot = () if verb == "replace-credential" else ("--subaccount", "5")
    refused(bot, 2, code, message, verb, "bot", exchange, *slot, "--from-json", "-", stdin=stdin)


def test_fields_from_a_file_that_is_not_there(bot: CommandLine) -> None:
    arguments = ("add-credential", "bot", "aster", "--from-json", "/nowhere/at/all")
    refused(bot, 2, "invalid_input", "cannot read /nowhere/at/all: No such file", *arguments)


def test_no_terminal_and_no_file(bot: CommandLine) -> None:
    message = "there is no terminal to ask for the fields on"
    refused(bot, 2, "invalid_input", message, "add-credential", "bot", "aster", stdin=ASTER)


def test_a_second_credential_in_a_slot(bot: CommandLine) -> None:
    """Pain 7: a second credential in a slot must be refused, without a subaccount too."""
    for slot in ((), ("--subaccount", "3"), ("--permission", "read_only")):
        assert bot.store("bot", "aster", *slot).exit_status == 0
        arguments = ("add-credential", "bot", "aster", *slot, "--from-json", "-")
        message = "For new secrets: account-registry replace-credential bot aster; for another slot"
        refused(bot, 4, "credential_exists", message, *arguments, stdin=ASTER)


@pytest.mark.parametrize("subaccount", ["-1", "2147483648"])
def test_a_subaccount_that_cannot_be(bot: CommandLine, subaccount: str) -> None:
    """Pain 7: a negative subaccount must not be accepted."""
    arguments = ("add-credential", "bot", "aster", "--subaccount", subaccount, "--from-json", "-")
    message = f"a subaccount is numbered 0 to 2147483647, not {subaccount}"
    refused(bot, 2, "invalid_input", message, *arguments, stdin=ASTER)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", " "), "a label cannot be blank"),
        (("--label", "x" * 256), "a label has 255 characters at most"),
        (("--expires-at", "soon"), "the expiry 'soon' is not a moment"),
        (("--expires-at", "2030-01-01T00:00:00"), "says no time zone"),
        (("--expires-at", "0001-01-01"), "out of range"),
        (("--expires-at", "9999-12-31"), "out of range"),
        (("--ip", "localhost"), "'localhost' is not an IP address or network"),
        (("--ip", "10.0.0.1/8"), "is not an IP address or network"),
        (("--exchange-account", ""), "cannot be blank"),
    ],
)
def test_details_that_cannot_be(bot: CommandLine, options: tuple[str, ...], message: str) -> None:
    add = ("add-credential", "bot", "aster", "--from-json", "-", *options)
    refused(bot, 2, "invalid_input", message, *add, stdin=ASTER)
    bot.store("bot", "aster")
    refused(bot, 2, "invalid_input", message, "update-credential", "bot", "aster", *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to change was named"),
        (("--clear", "colour"), "there is no detail 'colour' to clear"),
        (("--label", "x", "--clear", "label"), "label cannot be set and cleared at once"),
    ],
)
def test_an_update_of_nothing(bot: CommandLine, options: tuple[str, ...], message: str) -> None:
    bot.store("bot", "aster")
    refused(bot, 2, "invalid_input", message, "update-credential", "bot", "aster", *options)


def test_an_empty_slot(bot: CommandLine) -> None:
    message = "account bot has no credential for aster"
    for verb, *options in (*SLOT_VERBS, ("replace-credential", "--from-json", "-")):
        arguments = (verb, "bot", "aster", *options)
        refused(bot, 3, "credential_not_found", message, *arguments, stdin=ASTER)


def test_a_slot_that_is_not_named_well_enough(bot: CommandLine) -> None:
    for subaccount in ("0", "1"):
        bot.store("bot", "aster", "--subaccount", subaccount)
    message = "several credentials for aster: aster subaccount 0, aster subaccount 1"
    for verb, *options in SLOT_VERBS:
        refused(bot, 2, "invalid_input", message, verb, "bot", "aster", *options)


CHANGES_OF_AN_ACTIVE_ACCOUNT = [
    ("update-account", "bot", "--description", "x"),
    ("rename-account", "bot", "other"),
    ("deactivate-account", "bot"),
    ("add-credential", "bot", "backpack", "--from-json", "-"),
    ("replace-credential", "bot", "aster", "--from-json", "-"),
    ("update-credential", "bot", "aster", "--label", "x"),
    ("reactivate-credential", "bot", "aster"),
]


@pytest.mark.parametrize("arguments", CHANGES_OF_AN_ACTIVE_ACCOUNT, ids=lambda a: a[0])
def test_anything_on_an_inactive_account(bot: CommandLine, arguments: tuple[str, ...]) -> None:
    bot.store("bot", "aster")
    bot("deactivate-account", "bot")
    fields = json.dumps({**FIELDS[arguments[2]], "secret_key": "new7"}) if "-" in arguments else ""
    message = "account bot is inactive"
    refused(bot, 5, "account_inactive", message, *arguments, stdin=fields)


def test_what_takes_power_away_is_possible_on_an_inactive_account(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    bot("deactivate-account", "bot")
    for arguments in (
        ("deactivate-credential", "bot", "aster"),
        ("remove-credential", "bot", "aster", "--yes"),
        ("delete-account", "bot", "--yes"),
    ):
        assert bot(*arguments).exit_status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        *CHANGES_OF_AN_ACTIVE_ACCOUNT,
        ("reactivate-account", "bot"),
        ("deactivate-credential", "bot", "aster"),
        ("remove-credential", "bot", "aster", "--yes"),
        ("delete-account", "bot", "--yes"),
        ("show-account", "bot"),
        ("list-credentials", "bot"),
    ],
    ids=lambda a: a[0],
)
def test_anything_on_a_deleted_account(bot: CommandLine, arguments: tuple[str, ...]) -> None:
    bot("delete-account", "bot", "--yes", "--actor", "ops")
    message = "account bot was deleted on"
    stdin = json.dumps(FIELDS[arguments[2]]) if "-" in arguments else ""
    refused(bot, 3, "account_not_found", message, *arguments, stdin=stdin)


@pytest.mark.parametrize("arguments", CHANGES_OF_AN_ACTIVE_ACCOUNT, ids=lambda a: a[0])
def test_anything_on_an_account_that_never_was(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    stdin = json.dumps(FIELDS[arguments[2]]) if "-" in arguments else ""
    refused(cli, 3, "account_not_found", "there is no account bot", *arguments, stdin=stdin)


def test_anything_on_an_inactive_credential(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    bot("deactivate-credential", "bot", "aster")
    message = "the credential of bot for aster is inactive"
    new = json.dumps({**FIELDS["aster"], "secret_key": "new7"})
    arguments = ("replace-credential", "bot", "aster", "--from-json", "-")
    refused(bot, 5, "credential_inactive", message, *arguments, stdin=new)
    refused(bot, 5, "credential_inactive", message, "deactivate-credential", "bot", "aster")


def test_reactivating_what_is_active(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    refused(bot, 4, "conflict", "account bot is active already", "reactivate-account", "bot")
    message = "the credential of bot for aster is active already"
    refused(bot, 4, "conflict", message, "reactivate-credential", "bot", "aster")


@pytest.mark.parametrize(
    ("key", "status", "code", "message"),
    [
        ("", 7, "master_key_missing", "no master key is configured"),
        ("made-up", 7, "master_key_malformed", "master key 1 is not a Fernet key"),
        ("x" * 44, 7, "master_key_malformed", "master key 1 is not a Fernet key"),
        (",", 7, "master_key_malformed", "there is no master key in the ring"),
        ("A" * 43 + "=", 7, "master_key_wrong", "sealed with the master key"),
    ],
)
def test_no_malformed_or_wrong_master_key(
    bot: CommandLine, key: str, status: int, code: str, message: str
) -> None:
    """Pain 5: without the right key nothing is written, and no key is ever made in silence."""
    bot.store("bot", "aster")
    for arguments in (
        ("add-credential", "bot", "backpack", "--from-json", "-"),
        ("replace-credential", "bot", "aster", "--from-json", "-"),
    ):
        fields = json.dumps(FIELDS[arguments[2]])
        refused(bot, status, code, message, *arguments, stdin=fields, CREDENTIAL_ENCRYPTION_KEY=key)
    path = bot.file("bot.env", "ASTER_API_KEY=k7\nASTER_SECRET_KEY=s7\n")
    words = ("import-env", "bot", "--env-file", path)
    refused(bot, status, code, message, *words, CREDENTIAL_ENCRYPTION_KEY=key)
    assert not (bot.folder / "config").exists()


def test_a_key_file_that_others_can_read(bot: CommandLine) -> None:
    path = bot.folder / "master.key"
    path.write_text(bot.master_key)
    path.chmod(0o644)
    refused(
        bot,
        7,
        "master_key_malformed",
        f"chmod 600 {path}",
        *("add-credential", "bot", "aster", "--from-json", "-"),
        stdin=ASTER,
        CREDENTIAL_ENCRYPTION_KEY="",
        CREDENTIAL_ENCRYPTION_KEY_FILE=str(path),
    )


def test_no_key_is_needed_where_no_secret_is_handled(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    bot.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    for arguments in (
        ("create-account", "other"),
        ("update-credential", "bot", "aster", "--label", "x"),
        ("deactivate-credential", "bot", "aster"),
        ("remove-credential", "bot", "aster", "--yes"),
        ("list-credentials",),
    ):
        assert bot(*arguments).exit_status == 0


EVERY_KIND = [
    ("create-account", "new"),
    ("list-accounts",),
    ("add-credential", "bot", "aster", "--from-json", "-"),
    ("history",),
    ("exchanges",),
    ("migrate", "status"),
]


@pytest.mark.parametrize("arguments", EVERY_KIND, ids=lambda a: a[0])
def test_the_database_is_down(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    url = f"postgresql://someone:canary7@/x?host={cli.folder}"
    down = cli(*arguments, "--json", stdin=ASTER, DATABASE_URL=url)
    assert (down.exit_status, down.error["code"]) == (7, "database_unavailable")
    assert "cannot reach the database" in down.error["message"]
    assert "DATABASE_URL" in down.error["hint"]
    assert "canary7" not in down.err


@pytest.mark.parametrize("arguments", EVERY_KIND[:-1], ids=lambda a: a[0])
def test_the_database_is_not_migrated(
    cli: CommandLine, empty_database: str, arguments: tuple[str, ...]
) -> None:
    with nothing_written(empty_database):
        result = cli(*arguments, "--json", stdin=ASTER, DATABASE_URL=empty_database)
    assert (result.exit_status, result.error["code"]) == (7, "not_migrated")
    assert result.error["message"] == "the database has no registry yet"
    assert result.error["hint"] == "Run: account-registry migrate up"


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("mysql://x", 2, "invalid_input"),
        ("not a url", 2, "invalid_input"),
        ("postgresql://[bad", 7, "database_unavailable"),
        ("postgresql://h:notaport/x", 2, "invalid_input"),
    ],
)
def test_a_database_url_that_is_none(cli: CommandLine, url: str, status: int, code: str) -> None:
    result = cli("list-accounts", "--json", DATABASE_URL=url)
    assert (result.exit_status, result.error["code"]) == (status, code)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"REGISTRY_LOG_LEVEL": "loud"}, "the variable REGISTRY_LOG_LEVEL is not valid"),
        ({"REGISTRY_ACTOR": "x" * 256}, "the actor has 255 characters at most, not 256"),
        ({"REGISTRY_ACTOR": " "}, "the actor cannot be blank"),
    ],
)
def test_settings_that_cannot_be(cli: CommandLine, variables: dict[str, str], message: str) -> None:
    refused(cli, 2, "invalid_input", message, "create-account", "new", **variables)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create-account",),
        ("create-account", "a", "b"),
        ("create-account", "a", "--nothing"),
        ("no-such-verb",),
        ("migrate", "sideways"),
        ("history", "--limit", "0"),
        ("add-credential", "bot", "aster", "--permission", "everything"),
        ("add-credential", "bot", "aster", "--subaccount", "one"),
    ],
)
def test_a_command_line_that_cannot_be(
    cli: CommandLine, database_url: str, arguments: tuple[str, ...]
) -> None:
    with nothing_written(database_url):
        result = cli(*arguments)
    assert (result.exit_status, result.out) == (2, "")
    assert len(result.err.splitlines()) == 2
    assert "Traceback" not in result.err


NEW_FIELDS: Final = ("--field", "a=NEW_KEY", "--field", "b=NEW_KEY")


@pytest.mark.parametrize(
    ("arguments", "status", "code", "message"),
    [
        (
            ("aster", "--field", "a=ASTER_KEY"),
            4,
            "exchange_exists",
            "the exchange aster is built in",
        ),
        (("new",), 2, "invalid_input", "needs one field at least"),
        ((" new", "--field", "a=B"), 2, "invalid_input", "cannot start or end with a space"),
        (("x" * 51, "--field", "a=B"), 2, "invalid_input", "50 characters at most"),
        (("new", "--field", "a"), 2, "invalid_input", "is not NAME=ENV"),
        (("new", "--field", "a=B:odd"), 2, "invalid_input", "is not NAME=ENV"),
        (("new", "--field", "A=B"), 2, "invalid_input", "'A' is not a field name"),
        (("new", "--field", "a=b"), 2, "invalid_input", "'b' is not the name of a variable"),
        (("new", "--field", "a=B\n"), 2, "invalid_input", "is not the name of a variable"),
        (("new", *NEW_FIELDS[:2] * 2), 2, "invalid_input", "have the same name"),
        (("new", *NEW_FIELDS), 2, "invalid_input", "have the same env"),
        (("new", "--field", "a=B", "--display-name", "x" * 101), 2, "invalid_input", "100 char"),
    ],
)
def test_an_exchange_that_cannot_be_defined(
    cli: CommandLine, arguments: tuple[str, ...], status: int, code: str, message: str
) -> None:
    refused(cli, status, code, message, "add-exchange", *arguments)


@pytest.mark.parametrize(
    ("words", "environment", "hint"),
    [
        (("rollback", "--to", "-1"), {}, "An event's number, from 0 on, will do too."),
        (("list-accounts",), {"DATABASE_URL": "postgresql://u@h/d?a=b"}, "an option behind the ?"),
        (("update-account", "bot"), {}, "--wallet-address"),
        (("verify-proof", "p.json", "--key", "a+b"), {}, "NAME+ID+BASE64"),
        (("link-positions", "bot", "--position", "x"), {}, "account-registry list-positions"),
    ],
)
def test_an_error_says_what_to_do(
    bot: CommandLine, words: tuple[str, ...], environment: dict[str, str], hint: str
) -> None:
    assert hint in bot(*words, "--json", **environment).error["hint"]
