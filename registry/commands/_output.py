"""The output format: text and tables for people, one JSON document for programs.

With `--json`, standard output holds `{"verb": …, "data": …}` and nothing else; an error is
`{"verb": …, "error": {"code", "message", "hint", "exit_status"}}` on standard error.
"""

import datetime as dt
import decimal
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.commands._given import without_secrets
from registry.errors import RegistryError
from registry.hints import commands_of

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 200
_WIDEST = 1_000_000

# Characters that control a terminal (C0 and C1, line ends included), change the direction
# of text, or end a line: https://www.unicode.org/reports/tr9/
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Output:
    """Standard output and standard error of one verb."""

    def __init__(self, verb: str, *, as_json: bool) -> None:
        self.verb = verb
        self.as_json = as_json

    def result(self, data: Any, text: Callable[[], None]) -> None:
        """Prints the data as JSON with `--json`; otherwise `text` prints it for people."""
        if self.as_json:
            sys.stdout.write(to_json({"verb": self.verb, "data": data}) + "\n")
        else:
            text()
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Prints exactly one line on standard output; control characters are escaped."""
        _write(sys.stdout, visible(text))

    def lines(self, text: str) -> None:
        """Prints a text of several lines on standard output."""
        for line in text.split("\n"):
            self.line(line)

    def notice(self, text: str) -> None:
        """Prints a line on standard error that is neither data nor an error."""
        _write(sys.stderr, visible(without_secrets(text)))

    def cut(self, text: str) -> None:
        """That an answer is not all there is: its last line, or with `--json` a notice."""
        self.notice(text) if self.as_json else self.line(text)

    def error(self, error: RegistryError) -> None:
        """Prints an error and its hint on standard error."""
        message = without_secrets(error.message)
        hint = error.hint and without_secrets(commands_of(error.hint))
        if self.as_json:
            document = {
                "verb": self.verb,
                "error": {
                    "code": error.code,
                    "message": message,
                    "hint": hint,
                    "exit_status": int(error.exit_status),
                },
            }
            sys.stderr.write(to_json(document) + "\n")
            return
        _write(sys.stderr, f"{_red('Error:')} {visible(message)}")
        if hint:
            self.notice(f"  {hint}")

    def ask(self, question: str) -> str:
        """Asks on standard error and returns the line that the person typed."""
        sys.stderr.write(visible(without_secrets(question)))
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def records(self, columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> None:
        """Prints records as a table; `columns` maps each heading to a name in the record."""
        self.table(
            list(columns), [[record[name] for name in columns.values()] for record in records]
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Prints a table; if its cells do not fit the width, one line per cell."""
        from rich.measure import Measurement
        from rich.table import Table
        from rich.text import Text

        rows = list(rows)
        table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
        for column in columns:
            # Identifiers are copied out of tables, so they must not be truncated.
            table.add_column(Text(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text(show(value)) for value in row))
        console = self._console()
        unbroken = console.options.update(max_width=_WIDEST)
        if Measurement.get(console, unbroken, table).minimum > console.width:
            # Each cell gets its own line: a table of this width would break words.
            for row in rows:
                self.facts(zip(columns, row, strict=True))
                self.line("")
            return
        with console.capture() as capture:
            console.print(table)
        # The padding of the last column would be copied along with a line.
        for line in capture.get().split("\n")[:-1]:
            _write(sys.stdout, line.rstrip())

    def facts(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Prints names and values, one pair per line."""
        shown = [(name, show(value)) for name, value in facts]
        width = max(len(name) for name, _ in shown)
        for name, value in shown:
            self.line(f"{name:<{width}}  {value}")

    def _console(self) -> "Console":
        from rich.console import Console

        # A pipe has no width; Rich would assume a narrow one and wrap lines.
        width = None if sys.stdout.isatty() else _pipe_width()
        return Console(width=width, highlight=False, soft_wrap=False)


def _pipe_width() -> int:
    wanted = os.environ.get("COLUMNS", "")
    return int(wanted) if re.fullmatch("[1-9][0-9]{0,4}", wanted) else _PIPE_WIDTH


def show(value: Any) -> str:
    """A value on one line, for people; times are UTC."""
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dt.datetime():
            moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
            return f"{moment:%Y-%m-%d %H:%M:%S}Z"
        case dict():
            return to_json(value)
        case list() | tuple():
            return ", ".join(show(item) for item in value)
        case _:
            return visible(str(value))


def visible(text: str) -> str:
    r"""Escapes control characters (ESC as \x1b), so that a terminal shows them and does not obey.

    Names, labels and reasons come from the database, and their authors may want to forge the
    output that an administrator sees.
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def to_json(value: Any) -> str:
    """JSON text; times are ISO 8601 in UTC, exact numbers are strings."""
    import orjson

    text = orjson.dumps(
        value,
        default=_encode,
        option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z,
    ).decode()
    # JSON escapes C0 only; these characters occur in strings only, so an escape is equivalent.
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _encode(value: Any) -> Any:
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _write(stream: Any, line: str) -> None:
    # A character missing from the stream's encoding must not turn an answer into an error.
    encoding = stream.encoding or "utf-8"
    stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _red(text: str) -> str:
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return f"\x1b[31m{text}\x1b[0m"
    return text
