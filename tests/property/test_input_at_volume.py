"""Bad input at volume: every verb, whatever it is given, succeeds or says what is wrong.

Never a traceback or an unforeseen error, never a planted secret in what is printed, never
half a change. REGISTRY_FUZZ_EXAMPLES sets how many inputs each test tries.
"""

import atexit
import collections
import json
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cli import CommandLine, Result
from support.whole_log import check_whole_log

EXAMPLES = int(os.environ.get("REGISTRY_FUZZ_EXAMPLES", "40"))
CANARY = "cAnArY-5ecret-0f-th1s-te5t"
KNOWN = ["bot", "other", "still", "aster", "backpack", "lighter", "paradex"]
DOCUMENTED = {0, 1, 2, 3, 4, 5, 7}

tried: collections.Counter[int] = collections.Counter()
atexit.register(lambda: print(f"inputs tried, by exit code: {dict(tried)}") if tried else None)

volume = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Arguments that an operating system can pass: no NUL, and undecodable bytes as surrogates.
arguments = st.text(st.characters(exclude_characters="\0"), max_size=300) | st.sampled_from(
    ["", " ", "-", "--", "-1", "0", "9" * 400, "1e999", "NaN", "null", "true", "{}", "[]", "@",
     "@/", "@/dev/null", "\ufeff", "\u202e", "a" * 256, "\U0001f680", "\ud800", "--json", "%s",
     "'; DROP TABLE accounts; --", "../../etc/passwd", "\x1b[31m", "2026-02-30", "2026-01-01",
     "99999999999", "-9223372036854775809", "full", "read_only", "aster", "bot"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=30,
)
texts_of_json = (
    json_values.map(json.dumps)
    | st.integers(1, 40_000).map(lambda depth: '{"a":' * depth + "1" + "}" * depth)
    | st.integers(1, 200_000).map(lambda size: json.dumps({"a": "x" * size}))
    | st.text(max_size=100)
)

VERBS: dict[str, tuple[str, ...]] = {
    "create-account": ("--wallet-address", "--description", "--metadata"),
    "update-account": ("--wallet-address", "--description", "--metadata", "--clear"),
    "rename-account": (),
    "deactivate-account": (),
    "reactivate-account": (),
    "delete-account": (),
    "list-accounts": (),
    "show-account": (),
    "add-credential": ("--subaccount", "--permission", "--label", "--expires-at", "--ip"),
    "replace-credential": ("--subaccount", "--permission", "--label", "--exchange-account"),
    "update-credential": ("--subaccount", "--label", "--expires-at", "--ip", "--clear"),
    "deactivate-credential": ("--subaccount", "--permission"),
    "reactivate-credential": ("--subaccount", "--permission"),
    "remove-credential": ("--subaccount", "--permission"),
    "list-credentials": ("--exchange",),
    "history": ("--exchange", "--since", "--until", "--type", "--limit"),
    "exchanges": (),
    "add-exchange": ("--field", "--display-name"),
    "doctor": (),
}
COMMON = ("--actor", "--reason", "--command-id", "--expected-version")


@st.composite
def invocations(draw: st.DrawFn) -> list[str]:
    """A verb with arguments and options that may be anything."""
    verb = draw(st.sampled_from(sorted(VERBS)))
    words = [verb, *draw(st.lists(st.sampled_from(KNOWN) | arguments, max_size=3))]
    for option in draw(st.lists(st.sampled_from([*VERBS[verb], *COMMON]), max_size=3)):
        words += [option, draw(arguments | texts_of_json)]
    words += draw(st.lists(st.sampled_from(["--json", "--dry-run", "--yes"]), max_size=2))
    return words


@pytest.fixture
def registry(cli: CommandLine) -> Iterator[CommandLine]:
    """A registry with some accounts, one of which holds a secret that must never be seen."""
    for name in ("bot", "other", "still"):
        assert cli("create-account", name).exit_status == 0
    cli("deactivate-account", "still")
    fields = cli.file("planted.json", json.dumps({"api_key": CANARY, "secret_key": CANARY}))
    assert cli("add-credential", "bot", "aster", "--from-json", fields).exit_status == 0
    yield cli


@volume
@given(words=invocations(), stdin=st.binary(max_size=200))
def test_any_words_for_any_verb(
    registry: CommandLine, connection: psycopg.Connection[Any], words: list[str], stdin: bytes
) -> None:
    _check(registry(*words, stdin=stdin), words)
    check_whole_log(connection)


@volume
@given(text=texts_of_json, update=st.booleans())
def test_any_metadata(
    registry: CommandLine, connection: psycopg.Connection[Any], text: str, update: bool
) -> None:
    file = registry.folder / "metadata.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    words = ["update-account", "bot"] if update else ["create-account", f"bot{tried.total()}"]
    _check(registry(*words, "--metadata", f"@{file}", "--json"), words)
    check_whole_log(connection)


@volume
@given(
    raw=st.binary(max_size=300)
    | texts_of_json.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.dictionaries(
        st.sampled_from(["api_key", "secret_key", "private_key", "account_index", "x"]),
        json_values | st.just(CANARY),
    ).map(lambda fields: json.dumps(fields).encode()),
    exchange=st.sampled_from(["aster", "lighter", "backpack", "edgex"]),
    verb=st.sampled_from(["add-credential", "replace-credential"]),
)
def test_any_fields_of_a_credential(
    registry: CommandLine,
    connection: psycopg.Connection[Any],
    raw: bytes,
    exchange: str,
    verb: str,
) -> None:
    words = [verb, "other" if verb[0] == "a" else "bot", exchange, "--from-json", "-"]
    _check(registry(*words, stdin=raw), words)
    check_whole_log(connection)


_NAMES = ["ASTER_API_KEY", "ASTER_SECRET_KEY", "BACKPACK_PUBLIC_KEY", "BACKPACK_SECRET_KEY",
          "API_KEY_PRIVATE_KEY", "LIGHTER_ACCOUNT_INDEX", "EDGEX_ACCOUNT_ID", "OTHER"]  # fmt: skip
_LINES = st.tuples(
    st.sampled_from(_NAMES),
    st.sampled_from(["=", " = ", '="', "='", ""]),
    st.text(max_size=40) | st.just(CANARY) | st.just("your_key_here") | st.just("${HOME}"),
).map("".join)


@volume
@given(
    raw=st.binary(max_size=300)
    | st.lists(_LINES | st.text(max_size=30), max_size=10).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
    ),
    account=st.sampled_from(["bot", "other", "still", "newcomer"]),
)
def test_any_env_file(
    registry: CommandLine, connection: psycopg.Connection[Any], raw: bytes, account: str
) -> None:
    file = registry.folder / "bot.env"
    file.write_bytes(raw)
    words = ["import-env", account, "--env-file", str(file), "--create"]
    _check(registry(*words), words)
    check_whole_log(connection)


def _check(result: Result, words: list[str]) -> None:
    tried[result.exit_status] += 1
    said = result.out + result.err
    assert result.exit_status in DOCUMENTED, words
    assert "Traceback" not in said, words
    assert "unexpected" not in result.err or "unexpected extra" in result.err, (words, result.err)
    assert CANARY not in said, words
    if result.exit_status:
        assert result.err.strip(), f"a failure says why: {words}"
