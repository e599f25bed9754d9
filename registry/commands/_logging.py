"""The program's log: structured, on standard error; JSON unless standard error is a terminal."""

import logging
import os
import sys
from typing import Any, Final

import structlog

from registry.commands._given import without_secrets
from registry.commands._output import visible
from registry.encryption.secret import Secret
from registry.errors import InvalidInput

_LEVELS: Final = ("debug", "info", "warning", "error")


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
    to_text: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(default=str)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _mark_secrets,
                _show_what_may_be_shown,
                to_text,
            ],
        )
    )
    program = logging.getLogger("registry")
    program.handlers = [handler]
    program.setLevel(level.upper())


def _mark_secrets(_logger: Any, _method: str, event: Any) -> Any:
    # A Secret prints as ***; logging one is a defect, and the mark makes tests fail.
    if any(isinstance(value, Secret) for value in event.values()):
        event["defect"] = "a secret was given to the log"
    return event


def _show_what_may_be_shown(_logger: Any, _method: str, event: Any) -> Any:
    # One event is one line, without control sequences for the terminal.
    return {
        name: visible(without_secrets(v)) if isinstance(v, str) else v for name, v in event.items()
    }
