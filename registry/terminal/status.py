"""The line that says how much there is, what filters, and what is the matter."""

from textual.content import Content
from textual.widgets import Static

from registry.errors import RegistryError
from registry.hints import commands_of
from registry.plain import visible
from registry.plurals import counted
from registry.services.views.reading import Rows
from registry.terminal.filtering import typed


class Status(Static):
    """One line; a trouble stays until the next read that succeeds."""

    DEFAULT_CSS = """
    Status {
        height: auto; max-height: 3; min-height: 1; padding: 0 1;
        &.trouble { background: $error 30%; text-style: bold; }
    }
    """

    trouble: str | None = None
    """What is the matter."""

    def counts(self, rows: Rows) -> None:
        """Says how many rows there are."""
        view, parts = rows.view, [counted(rows.total, rows.view.thing)]
        if rows.attention:
            parts.append(f"{rows.attention:,} to look at")
        parts.append(f"page {rows.filter.page:,} of {rows.pages:,}")
        given = typed(rows.filter.given)
        if given:
            parts.append(f"only {visible(given)}")
        elif view.asked:
            parts.append(f"without {', '.join(view.asked)}")
        self.say(" · ".join(parts))

    def say(self, text: str) -> None:
        """Says something, and that all is well."""
        self.trouble = None
        self.remove_class("trouble")
        self.update(Content(text))

    def fail(self, error: RegistryError | str) -> None:
        """Says what is the matter."""
        if isinstance(error, RegistryError):
            hint = f" {commands_of(error.hint)}" if error.hint else ""
            error = f"{error.message}.{hint}"
        self.trouble = error
        self.add_class("trouble")
        self.update(Content(f"■ {visible(error)}"))
