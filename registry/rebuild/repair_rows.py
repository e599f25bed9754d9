"""The rows that repair the tables, as lines of COPY text in temporary files.

Missing rows and changed rows are in separate files: missing rows are copied straight into the
tables, changed rows are merged. The files have no name, so that nothing is left of them even
after a crash. A worker process is given the open files that it writes to.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from multiprocessing.reduction import DupFd
from typing import IO, Any, Final, Literal

from projections.projector import TABLES

RepairKind = Literal["missing", "changed"]

_KINDS: Final[tuple[RepairKind, ...]] = ("missing", "changed")
_BLOCK: Final = 1 << 20


class Repairs:
    """One file for each table and kind, deleted when it is closed."""

    def __init__(self) -> None:
        own = [table.name for table in TABLES if not table.partial]
        self._files: Mapping[tuple[str, RepairKind], IO[bytes]] = {
            (table, kind): tempfile.TemporaryFile()  # noqa: SIM115 - see `close`
            for table in own
            for kind in _KINDS
        }

    # For pickling to a new process, which gets the open files themselves.
    def __getstate__(self) -> dict[tuple[str, RepairKind], Any]:
        return {key: DupFd(file.fileno()) for key, file in self._files.items()}

    def __setstate__(self, files: dict[tuple[str, RepairKind], Any]) -> None:
        self._files = {key: os.fdopen(file.detach(), "wb") for key, file in files.items()}

    def write(self, table: str, kind: RepairKind, lines: str) -> None:
        """Adds whole lines."""
        self._files[table, kind].write(lines.encode())

    def blocks(
        self, table: str, kind: RepairKind, *, but: AbstractSet[bytes] = frozenset()
    ) -> Iterator[bytes]:
        """All lines except those of the keys in `but`."""
        if but:
            return self._lines(table, kind, lambda key: key not in but)
        return self._whole(table, kind)

    def lines_of(self, table: str, kind: RepairKind, keys: AbstractSet[bytes]) -> Iterator[bytes]:
        """The lines of the given keys, one by one."""
        return self._lines(table, kind, lambda key: key in keys)

    def flush(self) -> None:
        """Makes written lines visible to other processes that have the files open."""
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
            # The key is the first column, and tabs in values are escaped.
            if wanted(line[: line.index(b"\t")]):
                yield line
