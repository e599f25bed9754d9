"""The rows that repair the tables, as lines of COPY text in temporary files.

Rows that are missing and rows that differ are kept apart: the first are copied into the
tables as they are, the others are merged. The files have no name, so whatever happens to
the program, nothing of them is left; a process that examines a part of the log writes to
those that it has inherited.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import IO, Final, Literal

from projections.projector import TABLES

RepairKind = Literal["missing", "changed"]
Descriptor = tuple[str, RepairKind, int]

_KINDS: Final[tuple[RepairKind, ...]] = ("missing", "changed")
_BLOCK: Final = 1 << 20


class Repairs:
    """One file for each table and kind."""

    def __init__(self, files: Mapping[tuple[str, RepairKind], IO[bytes]]) -> None:
        self._files = files

    @classmethod
    def temporary(cls) -> "Repairs":
        """New files, gone when they are closed."""
        own = [table.name for table in TABLES if not table.partial]
        return cls({(t, kind): tempfile.TemporaryFile() for t in own for kind in _KINDS})

    @classmethod
    def inherited(cls, descriptors: Sequence[Descriptor]) -> "Repairs":
        """The files that another process has opened, to write to."""
        return cls({(t, kind): os.fdopen(number, "wb") for t, kind, number in descriptors})

    @property
    def descriptors(self) -> list[Descriptor]:
        """What another process needs to write to the files."""
        return [(table, kind, file.fileno()) for (table, kind), file in self._files.items()]

    def write(self, table: str, kind: RepairKind, lines: str) -> None:
        """Adds whole lines."""
        self._files[table, kind].write(lines.encode())

    def blocks(
        self, table: str, kind: RepairKind, *, but: AbstractSet[bytes] = frozenset()
    ) -> Iterator[bytes]:
        """All lines but those of some keys."""
        if but:
            return self._lines(table, kind, lambda key: key not in but)
        return self._whole(table, kind)

    def lines_of(self, table: str, kind: RepairKind, keys: AbstractSet[bytes]) -> Iterator[bytes]:
        """The lines of some keys, one by one."""
        return self._lines(table, kind, lambda key: key in keys)

    def flush(self) -> None:
        """Makes what was written visible to whoever has opened the files."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()

    def _whole(self, table: str, kind: RepairKind) -> Iterator[bytes]:
        file = self._files[table, kind]
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block

    def _lines(
        self, table: str, kind: RepairKind, wanted: Callable[[bytes], bool]
    ) -> Iterator[bytes]:
        file = self._files[table, kind]
        file.seek(0)
        for line in file:
            # The key stands first, and a tab in a value is escaped.
            if wanted(line[: line.index(b"\t")]):
                yield line
