"""Command lines for every verb, generated from the program's own list of verbs and options.

New verbs and options are covered automatically. Most words are sensible, so that an example gets
past the first check, but any of them may be anything.
"""

import functools
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from registry.commands._app import VERBS, build

LEFT_OUT: Final = {
    ("history", "--follow"): "never ends; tests/integration/test_history.py follows",
    ("embedded", "ACTION"): "starts servers; tests/integration/test_embedded_server.py does",
}
"""The only parameters that are not tried, with the reasons."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument (whose name is in capitals)."""

    name: str
    flag: bool
    path: bool
    many: bool
    required: bool
    choices: tuple[str, ...]

    @property
    def argument(self) -> bool:
        """Whether it has no name on the command line."""
        return not self.name.startswith("-")


@functools.cache
def parameters() -> dict[str, tuple[Parameter, ...]]:
    """Every verb with all of its parameters."""
    commands = build().commands
    return {
        verb: tuple(one for one in map(_parameter, commands[verb].params) if one is not None)
        for verb in VERBS
    }


def _parameter(declared: Any) -> Parameter | None:
    if "--help" in declared.opts:
        return None
    option = declared.param_type_name == "option"
    name = max(declared.opts, key=len) if option else (declared.name or "").upper()
    return Parameter(
        name=name,
        flag=bool(getattr(declared, "is_flag", False)),
        path=declared.type.name == "path",
        many=bool(getattr(declared, "multiple", False)) or declared.nargs == -1,
        required=declared.required,
        choices=tuple(map(str, getattr(declared.type, "choices", ()))),
    )


# Texts that an operating system can pass: no NUL, and undecodable bytes as surrogates.
ODD: Final = (
    "", " ", "-", "--", "-1", "0", "9" * 400, "1e999", "NaN", "null", "true", "{}", "[]", "@",
    "@.", "@/dev/null", "\ufeff", "\u202e", "a" * 256, "x" * 20_000, "\U0001f680", "\ud800",
    "\udcff", "%s", "{0}", "'; DROP TABLE accounts; --", "$(id)", "\x1b[31m", "2026-02-30",
    "2026-01-01", "99999999999", "-9223372036854775809", "2147483648", "cafe\u0301", "\r\n",
    "0x10", "1_0", "\u0661", "+1", "1.0", "[" * 2000, "a|b", "a,b", "+" * 300,
    "bot\tname", "\U0010ffff",
)  # fmt: skip
WORDS: Final = st.sampled_from(ODD) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=()), max_size=60
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=30,
)
JSON_TEXTS: Final = (
    JSON.map(json.dumps)
    | st.integers(1, 40_000).map(lambda depth: '{"a":' * depth + "1" + "}" * depth)
    | st.integers(1, 200_000).map(lambda size: json.dumps({"a": "x" * size}))
    | st.text(max_size=100)
)

FILES: Final = (
    "fields.json", "bot.env", "bots", "bots.yaml", "checkpoints.txt", "proof.json", "public.key",
    "decisions.yaml", "there-is-none", "new-file",
)  # fmt: skip
"""Names in the folder in which the examples run. No example writes outside of it."""

_ACCOUNTS: Final = ("bot", "other", "still", "nobody", "new-1", "new-2")
_EXCHANGES: Final = ("aster", "backpack", "lighter", "mine", "nowhere")
_MOMENTS: Final = ("2020-01-01", "2100-01-01T00:00:00+02:00", "30d", "3")
_POSITION_ID: Final = "0d7c1de1-7d4f-4c57-9a9c-3f5b1f5f0001"
_SENSIBLE: Final[dict[str, tuple[str, ...]]] = {
    "ACCOUNT": _ACCOUNTS,
    "NAME": _ACCOUNTS,
    "BORROWER": _ACCOUNTS,
    "LENDER": _ACCOUNTS,
    "NEW_NAME": _ACCOUNTS,
    "--account": _ACCOUNTS,
    "--lender": _ACCOUNTS,
    "EXCHANGE": _EXCHANGES,
    "--exchange": _EXCHANGES,
    "WHAT": ("0", "3", "bot", "aster", "lighter"),
    "COMMAND": ("true", "no-such-program", "{env-file}"),
    "FILE": FILES,
    "--metadata": ('{"max_positions": 1}', "{}", "@fields.json", '{"a": {"b": [1, null, "é"]}}'),
    "--clear": ("label", "ip", "expires-at", "metadata", "description", "wallet-address"),
    "--subaccount": ("0", "1", "2147483647"),
    "--from-json": ("-", "fields.json"),
    "--expires-at": _MOMENTS,
    "--as-of": (*_MOMENTS, "0"),
    "--to": (*_MOMENTS, "0", "5"),
    "--at": (*_MOMENTS, "0"),
    "--since": _MOMENTS,
    "--until": _MOMENTS,
    "--due": _MOMENTS,
    "--ip": ("203.0.113.7", "2001:db8::/32"),
    "--type": ("AccountCreated", "full", "read_only"),
    "--role": ("postgres", "registry_bot", "nobody"),
    "--position": (_POSITION_ID,),
    "--command-id": ("00000000-0000-4000-8000-000000000001",),
    "--command": ("00000000-0000-4000-8000-000000000001",),
    "--credential": (_POSITION_ID,),
    "--expected-version": ("0", "1", "2"),
    "--limit": ("1", "1000"),
    "--workers": ("1", "2"),
    "--processes": ("1", "2"),
    "--version": ("1", "2"),
    "--field": ("key:MY_KEY", "key", "api_key", "secret_key"),
    "--legacy-key-env": ("CREDENTIAL_ENCRYPTION_KEY", "PATH"),
    "--keep": ("PATH", "HOME"),
    "--key": ("public.key",),
    "--origin": ("registry.example.com/main",),
}


def sensible(parameter: Parameter) -> tuple[str, ...]:
    """Values that a verb may accept."""
    if parameter.choices:
        return parameter.choices
    return _SENSIBLE.get(parameter.name, FILES if parameter.path else ("some text", "x"))


def harmless(parameter: Parameter, value: str) -> str:
    """The value, or a similar one that names no file outside of the folder."""
    if not parameter.path:
        return value
    # Of the surrogates, a system passes only those that stand for a byte.
    passed = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\udcff", value)
    return passed.replace("/", "_").replace("..", "_") or "new-file"


def tried(verb: str) -> list[Parameter]:
    """The parameters of a verb that are tried."""
    return [parameter for parameter in parameters()[verb] if (verb, parameter.name) not in LEFT_OUT]


@st.composite
def invocations(draw: st.DrawFn) -> list[str]:
    """A verb with its arguments and some of its options."""
    verb = draw(st.sampled_from(sorted(VERBS)))
    known = tried(verb)

    def value(parameter: Parameter) -> str:
        likely = st.sampled_from(sensible(parameter))
        drawn = draw(likely if draw(st.integers(0, 9)) else WORDS | JSON_TEXTS)
        return harmless(parameter, drawn)

    words = [verb]
    options = [one for one in known if not one.argument]
    chosen = draw(st.lists(st.sampled_from(options), max_size=4, unique=True)) if options else []
    for one in chosen + [option for option in options if option.required and option not in chosen]:
        words += [one.name] if one.flag else [one.name, value(one)]
    for one in known:
        if one.argument and (one.required or draw(st.booleans())):
            count = draw(st.integers(1, 3)) if one.many else 1
            words += ["--"] if verb == "run" else []
            words += [value(one) for _ in range(count)]
    if not draw(st.integers(0, 19)):
        words.append(draw(WORDS))
    return words


def each_parameter(seed: int, values: int) -> Iterator[list[str]]:
    """Every option and argument of every verb with some odd values; other words are sensible."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    for verb in VERBS:
        for odd in tried(verb):
            for strange in [None] if odd.flag else chance.sample(ODD, values):
                yield _with(verb, odd, strange, chance)


def _with(verb: str, odd: Parameter, strange: str | None, chance: random.Random) -> list[str]:
    words, arguments = [verb], []
    for one in tried(verb):
        if one != odd and not one.required:
            continue
        value = harmless(one, strange if one == odd and strange is not None else _one(one, chance))
        if one.argument:
            arguments.append(value)
        else:
            words += [one.name] if one.flag else [one.name, value]
    return [*words, *(["--"] if verb == "run" else []), *arguments]


def _one(parameter: Parameter, chance: random.Random) -> str:
    return chance.choice(sensible(parameter))


def as_the_system_passes(raw: bytes) -> str:
    """Bytes of a command line or an environment as Python decodes them."""
    return os.fsdecode(raw.replace(b"\0", b""))


def mutated(document: Any, chance: random.Random) -> Any:
    """The same document with one value in it replaced by something else."""
    match document:
        case dict() if document and chance.random() < 0.9:
            key = chance.choice(sorted(document))
            return {**document, key: mutated(document[key], chance)}
        case list() if document and chance.random() < 0.9:
            place = chance.randrange(len(document))
            return [*document[:place], mutated(document[place], chance), *document[place + 1 :]]
        case _:
            return chance.choice([None, True, -1, 2**70, 1.5, "", "x" * 50, [], {}, [[]], "\ud800"])
