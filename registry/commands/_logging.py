"""The program's log: structured, on standard error; JSON unless standard error is a terminal."""

import datetime as dt
import logging
import os
import sys
from typing import Any, Final

from registry.commands._given import without_secrets
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.plain import to_json, visible

_LEVELS: Final = ("debug", "info", "warning", "error")
_OF_EACH_RECORD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime"}


def set_up_logging() -> None:
    """Sends the program's log to standard error, replacing any earlier setup.

    Raises:
        InvalidInput: `REGISTRY_LOG_LEVEL` names no level.
    """
    level = os.environ.get("REGISTRY_LOG_LEVEL", "").strip().lower() or "warning"
    if level not in _LEVELS:
        raise InvalidInput(
            "the variable REGISTRY_LOG_LEVEL is not valid", hint=f"It is {', '.join(_LEVELS)}."
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(as_json=not sys.stderr.isatty()))
    program = logging.getLogger("registry")
    program.handlers = [handler]
    program.setLevel(level.upper())


class OneLine(logging.Formatter):
    """An event with its fields as one line, without control sequences for the terminal."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line: JSON for programs; for people the time, the event, and its fields."""
        said = {name: v for name, v in vars(record).items() if name not in _OF_EACH_RECORD}
        if any(isinstance(value, Secret) for value in said.values()):
            # A Secret prints as ***; logging one is a defect, and the mark makes tests fail.
            said["defect"] = "a secret was given to the log"
        fields = {name: _shown(value) for name, value in said.items()}
        event, level = _shown(record.getMessage()), record.levelname.lower()
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        if self._as_json:
            return to_json({"event": event, **fields, "level": level, "timestamp": time})
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{time:%H:%M:%S}Z {level}: {event} {told}".rstrip()


def _shown(value: Any) -> Any:
    return value if isinstance(value, int) else visible(without_secrets(str(value)))
