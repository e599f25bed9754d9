"""Reads the lines of an env file, and refuses a file with a truncated or wrapped value.

The parser is python-dotenv's. It reads the second line of a wrapped value as another variable.
A part of a secret would be stored as the whole. Errors name lines, and variables only if their
names cannot be a part of a secret.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dotenv.parser import Binding, parse_stream

from registry.errors import InvalidInput
from registry.values import QUOTES

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHORT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,6}")
_WORDS: Final = re.compile(r"[A-Z]+[0-9]{0,3}(_([A-Z]+[0-9]{0,3}|[0-9]{1,3}))+")
_MIXED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{8,}")
_ASSIGNMENT: Final = re.compile(r"^[ \t]*(export[ \t]+)?[A-Z][A-Z0-9_]*=", re.MULTILINE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={1,2}")
_HEX: Final = re.compile(r"(0x)?[0-9A-Fa-f]+")
_CAPITALS: Final = 4
# What a shell or docker compose expands without quotes; and python-dotenv, in every kind of them.
_EXPANDED: Final = re.compile(r"\$[\w{(@*#?!$-]")
_EXPANDED_ALWAYS: Final = re.compile(r"\$\{[^}]*\}")
# Without quotes: what a shell splits, and the marks of lists, of other languages, and of comments.
_MARKED: Final = re.compile(r"^[=(<>\[{]|\s|[;,'\"]$")
_NEWLINE: Final = re.compile(r"\r\n|\n|\r")
_HINT: Final = (
    "A value stands on one line as it was given, or in single quotes. A comment begins with #."
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A line that sets a variable."""

    number: int
    name: str
    value: str
    raw: str
    """The raw text after the first equals sign."""

    @property
    def is_quoted(self) -> bool:
        """Whether the parser removed quotation marks."""
        return self.raw[:1] in ("'", '"')

    @property
    def is_expanded(self) -> bool:
        """Whether readers of env files take the value for different texts."""
        expanded = _EXPANDED_ALWAYS if self.raw.startswith("'") else _EXPANDED
        return bool(expanded.search(self.value))

    @property
    def is_marked(self) -> bool:
        """Whether it stands without quotes and holds more than a value, or marks around it."""
        is_plain = not self.is_quoted and "-----BEGIN " not in self.value
        return is_plain and bool(_MARKED.search(self.value))

    def __str__(self) -> str:
        return f"{self.name} (line {self.number})" if can_be_shown(self.name) else "another value"


def can_be_shown(name: str) -> bool:
    """Whether a name is too short, or too much like words, to be a part of a secret."""
    return bool(_SHORT.fullmatch(name) or _WORDS.fullmatch(name))


def assignments(text: str, where: str) -> Iterator[Assignment]:
    """The assignments of the lines, in order.

    Raises:
        InvalidInput: a line is not an assignment, or a value seems to continue elsewhere.
    """
    above: Assignment | None = None
    for binding in parse_stream(io.StringIO(text)):
        string = binding.original.string
        number = binding.original.line + _lines(string[: len(string) - len(string.lstrip())])
        line = string.strip()
        if not binding.error and (binding.key is None or _only_exports(line, binding)):
            above = None
            continue
        assignment = Assignment(
            number, binding.key or "", binding.value or "", line.partition("=")[2].strip()
        )
        if binding.error or binding.value is None or not _sets_a_variable(assignment, line, above):
            rest = f", and may be the rest of {above}" if _is_below(assignment, above) else ""
            raise InvalidInput(f"{where}: line {number} is not NAME=VALUE{rest}", hint=_HINT)
        if (problem := _problem(assignment)) is not None:
            raise InvalidInput(f"{where}: the value of {assignment} {problem}", hint=_HINT)
        yield assignment
        above = assignment


def _only_exports(line: str, binding: Binding) -> bool:
    """Whether the line only exports a variable: the word `export`, and a name."""
    return binding.value is None and line.startswith("export ") and can_be_shown(binding.key or "")


def _sets_a_variable(assignment: Assignment, line: str, above: Assignment | None) -> bool:
    """Whether the line is an assignment, and not the end of a wrapped value."""
    if not _NAME.fullmatch(assignment.name) or _MIXED.fullmatch(assignment.name):
        return False
    if assignment.raw and not assignment.raw.strip("="):
        return False
    if above is None or assignment.raw or not _is_below(assignment, above):
        return True
    if _WORDS.fullmatch(assignment.name) or (
        assignment.name.isupper() and len(assignment.name) >= _CAPITALS
    ):
        return True
    # Padded base64 that is complete only together with this line.
    joined = f"{above.value}{line}"
    return bool(
        _HEX.fullmatch(above.value) or not _BASE64.fullmatch(joined) or len(joined) % 4 != 0
    )


def _is_below(assignment: Assignment, above: Assignment | None) -> bool:
    return above is not None and above.number + 1 + _lines(above.raw) == assignment.number


def _problem(assignment: Assignment) -> str | None:
    """The problem at the end of a value, if any."""
    if assignment.is_quoted:
        if "-----BEGIN " not in assignment.value and _ASSIGNMENT.search(assignment.raw):
            return "does not end where its quotation marks were to close"
        return None
    if assignment.value.endswith("\\"):
        return "ends in a backslash, as one that goes on in the next line"
    last = assignment.value[-1:]
    other_quotes = QUOTES.removeprefix("'\"")
    if assignment.value[:1] in tuple(other_quotes) or (
        last in tuple(QUOTES) and assignment.value.count(last) % 2
    ):
        return "has quotation marks that do not close, or are none of an env file"
    return None


def _lines(text: str) -> int:
    return len(_NEWLINE.findall(text))
