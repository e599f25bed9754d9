"""The screen of `monitor` without a terminal: keys go in, lines and pictures come out."""

import asyncio
import datetime as dt
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from registry import Registry
from registry.services.views.described import VIEWS
from registry.terminal.app import Monitor
from registry.terminal.title import Title

PICTURES: Final = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WRITE: Final = "REGISTRY_TEST_PICTURES"
"""With `write`, the pictures are written and not compared."""


class Screen:
    """A running screen."""

    def __init__(self, app: Monitor, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        """What can be read on it."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        """Its lines as one text."""
        return "\n".join(self.lines)

    async def until(self, is_so: Callable[[], object]) -> None:
        """Waits until something is so."""
        end = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < end, self.text
            await self.pilot.pause(0.02)

    async def shows(self, *texts: str) -> None:
        """Waits until these can be read, in whatever lines they are broken into."""
        await self.until(lambda: all(one in " ".join(self.text.split()) for one in texts))

    async def settled(self) -> None:
        """Waits until it has read all that it wants to read."""
        await self.until(
            lambda: self.app._read_at and not self.app._is_reading and not self.app._is_old
        )
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Presses keys one after the other, and waits for what they cause."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()
            await self.settled()

    async def filter(self, typed: str) -> None:
        """Types a filter."""
        await self.press("slash")
        line = self.app.screen.query_one("FilterLine")
        line.value = typed  # type: ignore[attr-defined]
        await self.press("enter")

    def picture(self) -> str:
        """A picture of it, at a fixed time of the day."""
        self.app.screen.query_one(Title).show(dt.datetime(2026, 1, 2, 12, 0, 7, tzinfo=dt.UTC))
        return self.app.export_screenshot(title="account-registry monitor")


def on_a_screen(
    registry: Registry,
    look: Callable[[Screen], Awaitable[None]],
    *,
    size: tuple[int, int] = (80, 24),
    view: str = "problems",
) -> None:
    """Lets a test look at a screen of so many columns and lines."""

    async def run() -> None:
        app = Monitor(registry, VIEWS[view], {}, registry.views.exchanges())
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot)
            await screen.settled()
            await look(screen)

    asyncio.run(run())


def compare(name: str, picture: str) -> None:
    """Compares a picture with the one that the pages show."""
    # The letters come from the browser; Rich would name a server for them.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    file = PICTURES / f"{name}.svg"
    if os.environ.get(WRITE) == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(picture, encoding="utf-8")
    assert picture == file.read_text(encoding="utf-8"), f"{WRITE}=write writes {file.name} anew"
