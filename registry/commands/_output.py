"""The output format: text and tables for people, one JSON document for programs.

With `--json`, standard output holds `{"verb": …, "data": …}` and nothing else; an error is
`{"verb": …, "error": {"code", "message", "hint", "exit_status"}}` on standard error.
"""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from registry.commands._given import without_secrets
from registry.errors import RegistryError
from registry.hints import commands_of
from registry.plain import show, to_json, visible


class Output:
    """Standard output and standard error of one verb."""

    def __init__(self, verb: str, *, as_json: bool) -> None:
        self.verb = verb
        self.as_json = as_json

    def result(self, data: Any, text: Callable[[], None], *, cut: str | None = None) -> None:
        """Prints the data as JSON with `--json`; otherwise `text` prints it for people.

        A list says in `cut` that it is not all there is, or an empty text if it is: the JSON has
        a field for it, and people get the sentence.
        """
        if self.as_json:
            more = {} if cut is None else {"cut": bool(cut)}
            sys.stdout.write(to_json({"verb": self.verb, "data": data, **more}) + "\n")
        else:
            text()
        sys.stdout.flush()
        if cut:
            self.remark(cut)

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

    def remark(self, text: str) -> None:
        """Prints a line about the data: to people beside it, else on standard error."""
        self.line(text) if sys.stdout.isatty() and not self.as_json else self.notice(text)

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
        _write(sys.stderr, f"{_styled('31', 'Error:', sys.stderr)} {visible(message)}")
        if hint:
            self.notice(f"  {hint}")

    def ask(self, question: str) -> str:
        """Asks on standard error and returns the line that the person typed after the question."""
        import termios

        if sys.stdin.isatty():
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        sys.stderr.write(visible(without_secrets(question)))
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def records(
        self,
        columns: Mapping[str, str],
        records: Iterable[Mapping[str, Any]],
        *,
        under: Collection[str] = (),
    ) -> None:
        """Prints records as a table; `columns` maps each heading to a name in the record."""
        names = columns.values()
        self.table(list(columns), ([record[name] for name in names] for record in records), under)

    def listed(
        self,
        columns: Mapping[str, str],
        records: Sequence[Mapping[str, Any]],
        none: Callable[[], str],
        *,
        under: Collection[str] = (),
    ) -> None:
        """Prints records, or why there are none; in a pipe the heads of the columns always."""
        if records or not sys.stdout.isatty():
            self.records(columns, records, under=under)
        if not records:
            self.remark(none())

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], under: Collection[str] = ()
    ) -> None:
        """Prints a table as wide as the terminal; what is in `under` may follow below a row.

        Anywhere else it is one line a row, its cells with tabs between, for grep, cut and awk.
        """
        cells = [[show(value) for value in row] for row in rows]
        if not sys.stdout.isatty():
            _write(sys.stdout, "\n".join("\t".join(row) for row in (columns, *cells)))
            return
        from registry.commands._table import laid_out

        head, *lines = laid_out(columns, cells, _width(), under)
        _write(sys.stdout, "\n".join([*filter(None, [_styled("1", head, sys.stdout)]), *lines]))

    def facts(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Prints names and values, one pair per line; with a tab between where no terminal is."""
        shown = [(name, show(value)) for name, value in facts]
        if not sys.stdout.isatty():
            _write(sys.stdout, "\n".join(map("\t".join, shown)))
            return
        from registry.commands._table import pairs

        _write(sys.stdout, "\n".join(pairs(shown, _width())))


def _width() -> int:
    return shutil.get_terminal_size().columns


def _write(stream: Any, line: str) -> None:
    # A character missing from the stream's encoding must not turn an answer into an error.
    encoding = stream.encoding or "utf-8"
    stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _styled(style: str, text: str, stream: Any) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain or not text else f"\x1b[{style}m{text}\x1b[0m"
