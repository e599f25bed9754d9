"""What takes a file from outside takes time in proportion to the file's size."""

import contextlib
import gc
import time
from collections.abc import Callable

import pytest

from registry.errors import RegistryError
from registry.proofs.bundle import FORMAT, verify_bundle
from registry.proofs.note import Signer, split_notes
from registry.services.importing.env_lines import assignments
from registry.shown import secret_parts
from registry.values import metadata, parse_json

pytestmark = pytest.mark.slow

SIGNER = Signer.generate("registry.example.com/test")
NOTE = SIGNER.sign("registry.example.com/test\n1\nAAAA\n")


def env_lines(text: str) -> None:
    list(assignments(text, "x.env"))


def json_text(text: str) -> None:
    parse_json(text, "x.json")


def keys(count: int) -> str:
    return ", ".join(f'"k{number}": {number}' for number in range(count))


def proof(count: int) -> None:
    event = {"position": 0, "leaf": "AAAA", "path": ["AAAA"] * count}
    verify_bundle(
        {"format": FORMAT, "about": {}, "checkpoint": NOTE, "events": [event] * 3},
        SIGNER.verifier,
    )


# Each is called with a size, and may refuse what it is given.
PARSERS: dict[str, Callable[[int], object]] = {
    "env: lines": lambda n: env_lines("A_KEY=value\n" * n),
    "env: blank lines": lambda n: env_lines("\n" * n + "A=1"),
    "env: blank lines in quotes": lambda n: env_lines('A="' + "\n" * n + '"'),
    "env: an open quote": lambda n: env_lines('A="' + "x" * n),
    "env: open quotes": lambda n: env_lines("A='x\n" * n),
    "env: escapes": lambda n: env_lines('A="' + "\\n" * n + '"'),
    "env: comments": lambda n: env_lines("# x\n" * n),
    "env: one long name": lambda n: env_lines("A" * n + "=1"),
    "env: exports": lambda n: env_lines("export A_B\n" * n),
    "env: equals signs": lambda n: env_lines("A=" + "=" * n),
    "json: keys": lambda n: json_text("{" + keys(n) + "}"),
    "json: the last key twice": lambda n: json_text("{" + keys(n) + f', "k{n - 1}": 0}}'),
    "json: one key often": lambda n: json_text("{" + ", ".join(['"k": 0'] * n) + "}"),
    "json: lists": lambda n: json_text("[" * n + "]" * n),
    "json: a long number": lambda n: json_text("1." + "1" * n),
    "json: an exponent": lambda n: json_text("1e" + "9" * n),
    "json: numbers": lambda n: json_text("[" + ", ".join(["0.5"] * n) + "]"),
    "json: escapes": lambda n: json_text('"' + "\\u0041" * n + '"'),
    "metadata": lambda n: metadata({f"k{number}": "v" for number in range(n)}),
    "notes": lambda n: split_notes(NOTE * n),
    "notes: blank lines": lambda n: split_notes("\n" * n + NOTE),
    "notes: signatures": lambda n: split_notes(NOTE + "\u2014 x AAAAAAAA\n" * n),
    "a proof's path": proof,
    "errors: words": lambda n: secret_parts("abc " * n + "1"),
    "errors: no words": lambda n: secret_parts("ab-" * n),
    "errors: letters": lambda n: secret_parts("aB1" * n),
    "errors: spaces": lambda n: secret_parts("key" + " " * n + "="),
    "errors: addresses": lambda n: secret_parts("://a:" * n),
    "errors: keys": lambda n: secret_parts("key=" * n),
    "errors: plus signs": lambda n: secret_parts("a+00000000+A" * n),
}
SMALL, TIMES = 2_000, 8
ENOUGH = 0.02
"""Less CPU time than this says nothing."""


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
def test_a_file_eight_times_as_large_takes_no_more_than_some_eight_times_as_long(
    parse: Callable[[int], object],
) -> None:
    size = SMALL
    while (small := cpu_time(parse, size)) < ENOUGH and size < 64 * SMALL:
        size *= 2
    if small < ENOUGH:
        assert cpu_time(parse, size * TIMES) < 2 * TIMES * ENOUGH
        return
    large = min(cpu_time(parse, size * TIMES) for _ in range(2))
    assert large / small < 3 * TIMES, "quadratic would be 64"


def cpu_time(parse: Callable[[int], object], size: int) -> float:
    """CPU time of this thread, so that other programs do not matter, nor what is collected."""
    gc.disable()
    started = time.thread_time()
    try:
        with contextlib.suppress(RegistryError):
            parse(size)
        return time.thread_time() - started
    finally:
        gc.enable()
