"""Bad input at volume: every verb, whatever it is given, succeeds or says what is wrong.

Never a traceback or an unforeseen error, never a planted secret in what is printed, never
half a change. REGISTRY_FUZZ_EXAMPLES sets how many inputs each test tries.
"""

import atexit
import collections
import json
import os
import sys
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cli import CommandLine, Result
from support.whole_log import check_whole_log

EXAMPLES = int(os.environ.get("REGISTRY_FUZZ_EXAMPLES", "40"))
CANARY = "cAnArY-5ecret-0f-th1s-te5t"
DOCUMENTED = {0, 1, 2, 3, 4, 5, 7}

PLANTED = {"api_key": CANARY, "secret_key": CANARY}

tried: collections.Counter[int] = collections.Counter()


def _tell() -> None:
    if tried:
        sys.stderr.write(f"inputs tried, by exit code: {dict(sorted(tried.items()))}\n")


atexit.register(_tell)

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

ACCOUNT = st.sampled_from(["bot", "other", "still", "nobody", "new-1", "new-2"])
EXCHANGE = st.sampled_from(["aster", "backpack", "lighter", "mine", "nowhere"])
SLOT = ("--subaccount", "--permission")
DETAILS = ("--label", "--expires-at", "--ip", "--exchange-account")
TEXTS = ("--wallet-address", "--description", "--metadata")

VERBS: dict[str, tuple[tuple[st.SearchStrategy[str], ...], tuple[str, ...]]] = {
    "create-account": ((ACCOUNT,), TEXTS),
    "update-account": ((ACCOUNT,), (*TEXTS, "--clear")),
    "rename-account": ((ACCOUNT, ACCOUNT), ()),
    "deactivate-account": ((ACCOUNT,), ()),
    "reactivate-account": ((ACCOUNT,), ()),
    "delete-account": ((ACCOUNT,), ()),
    "list-accounts": ((), ()),
    "show-account": ((ACCOUNT,), ()),
    "add-credential": ((ACCOUNT, EXCHANGE), (*SLOT, *DETAILS, "--from-json")),
    "replace-credential": ((ACCOUNT, EXCHANGE), (*SLOT, *DETAILS, "--from-json")),
    "update-credential": ((ACCOUNT, EXCHANGE), (*SLOT, *DETAILS, "--clear")),
    "deactivate-credential": ((ACCOUNT, EXCHANGE), SLOT),
    "reactivate-credential": ((ACCOUNT, EXCHANGE), SLOT),
    "remove-credential": ((ACCOUNT, EXCHANGE), SLOT),
    "list-credentials": ((), ("--exchange",)),
    "history": ((ACCOUNT,), ("--exchange", "--since", "--until", "--type", "--limit")),
    "exchanges": ((), ()),
    "add-exchange": ((EXCHANGE,), ("--field", "--display-name")),
    "generate-key": ((), ()),
    "migrate": ((st.sampled_from(["up", "status"]),), ()),
    "doctor": ((), ()),
}
COMMON = ("--actor", "--reason", "--command-id", "--expected-version")
GOOD = {
    "--subaccount": ["0", "1", "2147483647"],
    "--permission": ["full", "read_only"],
    "--metadata": ['{"max_positions": 1}', "{}", '{"a": {"b": [1, null, "\u00e9"]}}'],
    "--clear": ["label", "ip", "expires-at", "metadata", "description"],
    "--from-json": ["-"],
    "--expires-at": ["2030-01-01", "2030-01-01T00:00:00+02:00"],
    "--ip": ["203.0.113.7", "2001:db8::/32"],
    "--exchange": ["aster"],
    "--since": ["2020-01-01"],
    "--until": ["2100-01-01"],
    "--type": ["AccountCreated"],
    "--limit": ["1", "1000"],
    "--field": ["key:MY_KEY", "key"],
    "--command-id": ["00000000-0000-4000-8000-000000000001"],
    "--expected-version": ["0", "1", "2"],
}


@st.composite
def invocations(draw: st.DrawFn) -> list[str]:
    """A verb with arguments and options, most of which make sense, and any of which may not."""

    def maybe(sensible: st.SearchStrategy[str]) -> str:
        return draw(sensible if draw(st.integers(0, 9)) else arguments)

    verb = draw(st.sampled_from(sorted(VERBS)))
    positionals, options = VERBS[verb]
    words = [maybe(one) for one in positionals]
    words += draw(st.lists(arguments, max_size=1)) if not draw(st.integers(0, 19)) else []
    for option in draw(st.lists(st.sampled_from([*options, *COMMON]), max_size=3, unique=True)):
        good = st.sampled_from(GOOD[option]) if option in GOOD else st.text(max_size=30)
        words += [option, draw(good | good | arguments | texts_of_json)]
    words += draw(st.lists(st.sampled_from(["--json", "--dry-run"]), max_size=1))
    if verb in ("delete-account", "remove-credential"):
        words += draw(st.lists(st.just("--yes"), max_size=1))
    return [verb, *words]


@pytest.fixture
def registry(cli: CommandLine) -> CommandLine:
    """A registry with some accounts, one of which holds a secret that must never be seen."""
    for name in ("bot", "other", "still"):
        assert cli("create-account", name).exit_status == 0
    cli("deactivate-account", "still")
    fields = cli.file("planted.json", json.dumps(PLANTED))
    assert cli("add-credential", "bot", "aster", "--from-json", fields).exit_status == 0
    return cli


@volume
@given(
    words=invocations(),
    stdin=st.binary(max_size=200) | st.just(json.dumps(PLANTED).encode()),
)
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
    tried[int(result.exit_status)] += 1
    said = result.out + result.err
    assert result.exit_status in DOCUMENTED, words
    assert "Traceback" not in said, words
    assert "unexpected" not in result.err or "unexpected extra" in result.err, (words, result.err)
    assert CANARY not in said, words
    if result.exit_status:
        assert said.strip(), f"a failure says why: {words}"
