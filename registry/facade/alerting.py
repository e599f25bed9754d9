"""`Registry.run_alerts`: tells webhooks and commands of problems and events."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from registry.facade.checking import checked
from registry.facade.context import Context, log
from registry.facade.seeing import FilesBeside, files_of

if TYPE_CHECKING:
    from registry.services.alerts.delivering import Delivery


@checked
class Alerting:
    """A part of `Registry`: who is told."""

    _context: Context

    def run_alerts(
        self,
        settings: Path | str,
        *,
        stop: threading.Event | None = None,
        anew: bool = False,
        told: Callable[[str], None] = log.warning,
        **files: Unpack[FilesBeside],
    ) -> None:
        """Tells the receivers of a settings file of problems and events, until `stop` is set.

        Each message is sent until its receiver has taken it; its id stays the same. A state file
        keeps what waits and how far the log was read. `told` gets remarks, such as that a
        receiver takes nothing. Conflict if another process uses the state. LogIsAnother if the
        log is not the one of the state; `anew` begins at its end.
        """
        from registry.services.alerts.rules import read_settings
        from registry.services.alerts.running import Alerts

        alerts = Alerts(self._context, read_settings(Path(settings)), files_of(**files), told)
        alerts.run(stop or threading.Event(), anew=anew)

    def test_alerts(self, settings: Path | str) -> "list[Delivery]":
        """Sends a test message to each receiver of a settings file; says what came of each."""
        from registry.services.alerts.delivering import send_tests
        from registry.services.alerts.rules import read_settings

        return send_tests(read_settings(Path(settings)))
