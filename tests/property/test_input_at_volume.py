"""Bad input at volume: every verb and option succeeds or names the reason, for any value.

No traceback, no unexpected error, no planted secret in the output, and no half of a change.
REGISTRY_FUZZ_EXAMPLES sets the number of inputs for each test;
REGISTRY_FUZZ_REPORT names a file for the counts.
"""

import atexit
import collections
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cli import PROJECT, CommandLine, Result
from support.fuzzing import (
    JSON,
    JSON_TEXTS,
    LEFT_OUT,
    ODD,
    WORDS,
    as_the_system_passes,
    each_parameter,
    invocations,
    mutated,
    parameters,
)
from support.registry_tables import add_positions
from support.whole_log import check_whole_log

from registry.commands._app import VERBS

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("REGISTRY_FUZZ_EXAMPLES", "40"))
CANARY = "cAnArY-5ecret-0f-th1s-te5t"
DOCUMENTED = {0, 1, 2, 3, 4, 5, 6, 7}
SHOWS_SECRETS = {"reveal-credential"}
"""Verbs whose purpose it is, on standard output."""
SEVERAL_COMMANDS = {"adopt", "rotate-master-key", "migrate", "schema-down", "remove-bot"}
"""Verbs that are more than one command: what went well before a failure stays."""
RECORDED_FIRST = {"reveal-credential", "run", "runbot"}
"""A release is in the log before it is known whether the rest goes well."""

PLANTED = {"api_key": CANARY, "secret_key": f"{CANARY}-too"}

tried: collections.Counter[int] = collections.Counter()
seen_verbs: collections.Counter[str] = collections.Counter()


def _tell() -> None:
    if not tried:
        return
    codes = {str(code): count for code, count in sorted(tried.items())}
    sys.stderr.write(f"inputs tried: {tried.total()}, by exit code: {codes}\n")
    report = os.environ.get("REGISTRY_FUZZ_REPORT")
    if report:
        facts = {"inputs": tried.total(), "exit_codes": codes, "verbs": len(seen_verbs)}
        with Path(report).open("a") as file:
            file.write(json.dumps(facts) + "\n")


atexit.register(_tell)

volume = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Registry:
    """A registry to try things on, in a folder of its own."""

    def __init__(self, cli: CommandLine, connection: psycopg.Connection[Any]) -> None:
        self.cli = cli
        self.folder = cli.folder
        self._connection = connection

    def __call__(self, *words: str, stdin: bytes = b"", **environment: str) -> Result:
        """Runs a verb, and checks how it ended and what it left."""
        before = self._held()
        result = self.cli(*words, stdin=stdin, **environment)
        self.check(result, list(words))
        verb = words[0] if words else ""
        if verb in ("migrate", "schema-down"):
            assert self.cli("migrate", "up").exit_status == 0
        elif result.exit_status and verb not in SEVERAL_COMMANDS | RECORDED_FIRST:
            assert self._held() == before, f"a failure changes nothing: {words}"
        elif "--dry-run" in words and not result.exit_status:
            assert self._held() == before, f"a dry run changes nothing: {words}"
        events = int(before[0])
        if tried.total() % (1 + events // 100) == 0:
            check_whole_log(self._connection)
        return result

    def check(self, result: Result, words: list[str]) -> None:
        """A verb ended as it should."""
        tried[int(result.exit_status)] += 1
        said = result.out + result.err
        if words and words[0] in VERBS:
            seen_verbs[words[0]] += 1
        assert result.exit_status in DOCUMENTED, words
        assert result.exit_status != 1 or words[0] == "doctor", "only doctor may just fail"
        assert "Traceback" not in said, words
        assert "This is a defect" not in result.err, (words, result.err)
        hidden = result.err if words[:1] and words[0] in SHOWS_SECRETS else said
        assert CANARY not in hidden, words
        if result.exit_status:
            assert said.strip(), f"a failure says why: {words}"

    def refill(self) -> None:
        """Makes what earlier examples took away; whatever is still there stays."""
        for name in ("bot", "other", "still"):
            self.cli("create-account", name)
            self.cli("reactivate-account", name)
        self.cli("deactivate-account", "still")
        fields = json.dumps(PLANTED).encode()
        self.cli("add-credential", "bot", "aster", "--from-json", "-", stdin=fields)
        self.cli("share", "other", "bot", "aster")

    def _held(self) -> tuple[Any, ...]:
        return (
            self._connection.execute(
                "SELECT (SELECT size FROM audit_head), (SELECT count(*) FROM credential_data_keys),"
                " (SELECT count(*) FROM registry_keys), (SELECT count(*) FROM dexes)"
            ).fetchone()
            or ()
        )


@pytest.fixture
def registry(
    cli: CommandLine, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    """Some accounts, one of which holds a secret that must never be seen, and files for verbs."""
    monkeypatch.chdir(cli.folder)
    # `run` becomes the program; the test goes on in its place.
    monkeypatch.setattr(os, "execve", lambda *_: sys.exit(0))
    # These go on until somebody ends them.
    monkeypatch.setattr("registry.page.serving.serve", lambda *_, **__: None)
    monkeypatch.setattr("registry.commands.program.supervise", lambda *_, **__: 0)
    cli.environment["LEGACY"] = CANARY
    made = Registry(cli, connection)
    made.refill()
    add_positions(connection, "0d7c1de1-7d4f-4c57-9a9c-3f5b1f5f0001")
    for words in (
        ("generate-checkpoint-key",),
        ("checkpoint", "--append", "checkpoints.txt"),
        ("prove", "bot", "aster", "--out", "proof.json"),
    ):
        assert cli(*words).exit_status == 0
    (cli.folder / "public.key").write_text((cli.folder / "config" / "checkpoint.pub").read_text())
    cli.file("fields.json", json.dumps(PLANTED))
    cli.file("bot.env", f"ASTER_API_KEY={CANARY}\nASTER_SECRET_KEY={CANARY}\n")
    (cli.folder / "bots").mkdir()
    cli.file("bots/two.env", f"BACKPACK_PUBLIC_KEY=p\nBACKPACK_SECRET_KEY={CANARY}\n")
    cli.file("bots.yaml", f"accounts:\n  bot:\n    aster: {{api_key: k, secret_key: {CANARY}}}\n")
    cli.file("decisions.yaml", "{}\n")
    yield made
    for login in ("bot", "other", "still", "new-1", "new-2", "null", "true", "NaN"):
        connection.execute(f'DROP ROLE IF EXISTS "{login}"')


def test_nothing_is_left_out_but_what_never_ends_or_starts_servers() -> None:
    known = {(verb, one.name) for verb, all_ in parameters().items() for one in all_}
    assert set(LEFT_OUT) <= known
    assert parameters().keys() == VERBS.keys()
    assert len(known) > 300


def test_every_option_of_every_verb_with_odd_values(registry: Registry) -> None:
    for number, words in enumerate(each_parameter(seed=EXAMPLES, values=max(2, EXAMPLES // 20))):
        if number % 50 == 0:
            registry.refill()
        registry(*words, stdin=json.dumps(PLANTED).encode())
    assert seen_verbs.keys() >= VERBS.keys()


@volume
@given(
    words=invocations(),
    stdin=st.binary(max_size=200) | st.just(json.dumps(PLANTED).encode()),
    refill=st.integers(0, 9),
)
def test_any_words_for_any_verb(
    registry: Registry, words: list[str], stdin: bytes, refill: int
) -> None:
    if not refill:
        registry.refill()
    registry(*words, stdin=stdin)


@settings(volume, max_examples=max(5, EXAMPLES // 20))
@given(words=invocations(), raw=st.binary(max_size=60), place=st.integers(1, 4))
def test_any_bytes_that_the_system_passes(
    registry: Registry, words: list[str], raw: bytes, place: int
) -> None:
    verb, *others = (word.replace("\0", "").encode("utf-8", "replace")[:500] for word in words)
    others = [b"true" if verb == b"run" else other for other in others]
    passed = [verb, *others[: place - 1], raw, *others[place - 1 :]]
    strings = [as_the_system_passes(one) for one in passed]
    done = registry.cli.process(*strings, cwd=registry.folder, PYTHONPATH=str(PROJECT))
    registry.check(done, strings)
    registry.cli("migrate", "up")


@volume
@given(text=JSON_TEXTS, update=st.booleans())
def test_any_metadata(registry: Registry, text: str, update: bool) -> None:
    file = registry.folder / "metadata.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    words = ["update-account", "bot"] if update else ["create-account", f"bot{tried.total()}"]
    registry(*words, "--metadata", f"@{file}", "--json")


@volume
@given(
    raw=st.binary(max_size=300)
    | JSON_TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.dictionaries(
        st.sampled_from(["api_key", "secret_key", "private_key", "account_index", "x"]),
        JSON | st.just(CANARY),
    ).map(lambda fields: json.dumps(fields).encode()),
    exchange=st.sampled_from(["aster", "lighter", "backpack", "edgex"]),
    verb=st.sampled_from(["add-credential", "replace-credential"]),
)
def test_any_fields_of_a_credential(
    registry: Registry, raw: bytes, exchange: str, verb: str
) -> None:
    account = "other" if verb == "add-credential" else "bot"
    registry(verb, account, exchange, "--from-json", "-", stdin=raw)


_NAMES = ["ASTER_API_KEY", "ASTER_SECRET_KEY", "BACKPACK_PUBLIC_KEY", "BACKPACK_SECRET_KEY",
          "API_KEY_PRIVATE_KEY", "LIGHTER_ACCOUNT_INDEX", "EDGEX_ACCOUNT_ID", "OTHER"]  # fmt: skip
_LINES = st.tuples(
    st.sampled_from(_NAMES),
    st.sampled_from(["=", " = ", '="', "='", ""]),
    st.text(max_size=40) | st.just(CANARY) | st.just("your_key_here") | st.just("${HOME}"),
).map("".join)
_ENV_FILES = st.binary(max_size=300) | st.lists(_LINES | st.text(max_size=30), max_size=10).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)


@volume
@given(raw=_ENV_FILES, account=st.sampled_from(["bot", "other", "still", "newcomer"]))
def test_any_env_file(registry: Registry, raw: bytes, account: str) -> None:
    (registry.folder / "bot.env").write_bytes(raw)
    registry("import-env", account, "--env-file", "bot.env", "--create")


@volume
@given(raw=_ENV_FILES, name=st.sampled_from(["bot", "other", "a b", "x" * 200, "é", ".", "-"]))
def test_any_folder_of_env_files(registry: Registry, raw: bytes, name: str) -> None:
    file = registry.folder / "bots" / f"{name}.env"
    file.write_bytes(raw)
    registry("import-env", "--dir", "bots", "--create", "--yes")
    file.unlink()


_FIELDS = st.dictionaries(
    st.sampled_from(["api_key", "secret_key", "ASTER_API_KEY", "x"]), JSON | st.just(CANARY)
)
_CONFIGURATIONS = st.fixed_dictionaries(
    {
        "accounts": st.dictionaries(
            st.sampled_from(["bot", "new", "", "é"]),
            st.dictionaries(st.sampled_from(["aster", "lighter", "nowhere"]), _FIELDS | JSON)
            | JSON,
        )
    }
)
_DOCUMENTS = (
    st.binary(max_size=300)
    | (_CONFIGURATIONS | JSON).map(lambda value: json.dumps(value).encode())
    | st.text(max_size=200).map(str.encode)
    | st.sampled_from([b"&a [*a, *a]", b"!!python/object:os.system {}", b"a: &x\n  b: *x\n"])
)


@volume
@given(raw=_DOCUMENTS, ending=st.sampled_from(["yaml", "json", "toml", "cfg"]))
def test_any_configuration_and_any_decisions(registry: Registry, raw: bytes, ending: str) -> None:
    file = registry.folder / f"any.{ending}"
    file.write_bytes(raw)
    registry("import-config", "bot", "--file", file.name, "--create")
    registry("adopt", "--decisions", file.name)


@volume
@given(seed=st.integers(0, 2**32), raw=st.binary(max_size=200), times=st.integers(1, 3))
def test_any_proof_and_any_checkpoint(
    registry: Registry, seed: int, raw: bytes, times: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    document = json.loads((registry.folder / "proof.json").read_text())
    for _ in range(times):
        document = mutated(document, chance)
    (registry.folder / "other.json").write_text(json.dumps(document))
    assert registry("verify-proof", "proof.json").exit_status == 0
    registry("verify-proof", "other.json")
    note = (registry.folder / "checkpoints.txt").read_bytes()
    place = chance.randrange(len(note))
    (registry.folder / "other.txt").write_bytes(note[:place] + raw + note[place + len(raw) :])
    registry("verify", "--against", "other.txt", "--key", "public.key")
    registry("prove", "0", "--checkpoint", "other.txt", "--key", "public.key")
    registry("checkpoint", "--append", "other.txt")


_VARIABLES = [
    "CREDENTIAL_ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY_FILE", "REGISTRY_LOG_LEVEL",
    "REGISTRY_ACTOR", "REGISTRY_CHECKPOINT_KEY_FILE", "REGISTRY_DEBUG", "REGISTRY_ENV_FALLBACK",
    "REGISTRY_CONNECT_WAIT", "COLUMNS", "NO_COLOR", "TERM", "DATABASE_URL", "TZ", "PGAPPNAME",
    "PGOPTIONS",
]  # fmt: skip
_NOT_ASKED = [
    "mysql://x", "postgresql://[", "postgresql://h:x/y", "host", "postgresql:///x?nonsense=1",
    "postgresql://u:" + CANARY + "@/x?host=/nowhere", "dbname=x host=/nowhere password=" + CANARY,
]  # fmt: skip


@volume
@given(
    name=st.sampled_from(_VARIABLES),
    value=WORDS,
    address=st.sampled_from(_NOT_ASKED),
    verb=st.sampled_from(
        [("list-accounts",), ("doctor",), ("create-account", "new"), ("checkpoint",), ("verify",),
         ("replace-credential", "bot", "aster", "--from-json", "-"), ("history",)]
    ),
)  # fmt: skip
def test_any_environment(
    registry: Registry, name: str, value: str, address: str, verb: tuple[str, ...]
) -> None:
    # Addresses that lead to no server: an example must not go looking for one.
    value = address if name == "DATABASE_URL" else value.encode("utf-8", "replace").decode()
    registry(*verb, stdin=json.dumps(PLANTED).encode(), **{name: value})


def test_the_odd_values_are_odd_enough() -> None:
    assert any("\ud800" <= one <= "\udfff" for value in ODD for one in value)
    assert any(ord(one) > 0xFFFF for value in ODD for one in value)
