"""The colours."""

from typing import Final

from textual.theme import Theme

THEME: Final = Theme(
    name="registry",
    primary="#5aa9e6",
    secondary="#7fc8f8",
    warning="#f2c14e",
    error="#ff6b6b",
    success="#66c28d",
    accent="#5aa9e6",
    foreground="#d7dde5",
    background="#12161c",
    surface="#1a2028",
    panel="#222a34",
    variables={"chosen": "#22405c", "dimmed": "#8a93a0"},
)
