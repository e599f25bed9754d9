"""Renders the views as HTML."""

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from registry.page.pictures import bar, by_hour
from registry.plain import show, visible
from registry.services.views.described import VIEWS, Column, Urgency, View
from registry.services.views.reading import AccountPicture, Filter, Row, Rows
from registry.services.views.words import NONE, in_words, said, span

_MARKS: Final[Mapping[str, str]] = {"bad": "▲", "warn": "◆", "ok": "●", "off": "○"}
"""States differ by form too, for who does not see colours."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table."""

    label: str
    form: str
    """Its kind, and whether it may be left out, as classes for the style sheet."""
    text: str
    href: str | None = None
    title: str | None = None
    urgency: Urgency | None = None
    picture: Markup | None = None


@dataclass(frozen=True, slots=True)
class Tab:
    """A view to choose."""

    name: str
    title: str
    is_chosen: bool


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("registry.page"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["marks"] = _MARKS
    return made


def rendered(template: str, **values: Any) -> str:
    """A template with its values."""
    return _environment().get_template(template).render(**values)


def table(rows: Rows) -> dict[str, Any]:
    """What the template of a table needs."""
    columns = rows.view.columns
    return {
        "view": rows.view,
        "columns": columns,
        "rows": [[_cell(rows, column, row) for column in columns] for row in rows.rows],
    }


def _cell(rows: Rows, column: Column, row: Row) -> Cell:
    text, value = in_words(column, row, rows.read_at), row[column.name]
    form = f"{column.kind}{' number' if column.is_number else ''}{' wide' if column.wide else ''}"
    if text == NONE:
        return Cell(column.heading, f"none{' wide' if column.wide else ''}", "")
    match column.kind:
        case "account":
            return Cell(column.heading, form, text, href=account_address(value))
        case "state":
            return Cell(column.heading, form, text, urgency=rows.view.states[value])
        case "part":
            return Cell(column.heading, form, text, picture=bar(value))
        case "since" | "until":
            return Cell(column.heading, form, text, title=show(value))
    return Cell(column.heading, form, text)


def account_address(name: str) -> str:
    """The address of an account's page."""
    return f"/account?{urlencode({'name': name})}"


def view_address(view: View, wanted: Filter, **changed: Any) -> str:
    """The address of a view with its filters, some of them changed."""
    values = {**wanted.given, **changed}
    given = {name: value for name, value in values.items() if value not in (None, "", 1)}
    path = "/" if view.name == "accounts" else f"/{view.name}"
    return f"{path}?{urlencode(given)}" if given else path


def tabs(chosen: str | None) -> list[Tab]:
    """The views, of which one may be chosen."""
    return [Tab(view.name, view.title, view.name == chosen) for view in VIEWS.values()]


def paging(rows: Rows) -> dict[str, Any]:
    """Where in a view a page is, and the addresses of its neighbours."""
    wanted, view = rows.filter, rows.view
    first = (wanted.page - 1) * wanted.size + 1
    return {
        "first": first,
        "last": first + len(rows.rows) - 1,
        "earlier": view_address(view, wanted, page=wanted.page - 1) if wanted.page > 1 else None,
        "later": view_address(view, wanted, page=wanted.page + 1)
        if wanted.page < rows.pages
        else None,
    }


def chart_of(counts: Sequence[tuple[dt.datetime, int]]) -> dict[str, Any]:
    """The releases in each hour, and what stands below their bars."""
    most = max((count for _, count in counts), default=0)
    return {
        "picture": by_hour(counts),
        "hours": [f"{hour:%H}:00" for hour, _ in (*counts[::6], counts[-1])],
        "said": f"Releases in each hour, UTC; at most {most:,} in one",
    }


def facts(picture: AccountPicture, now: dt.datetime) -> list[tuple[str, str]]:
    """What is known of an account itself."""
    own = picture.facts
    allowed = own["allowed_exchanges"]
    last = own["released_at"]
    told = [
        ("why", own["why"] and said(own["why"])),
        ("description", own["description"] and said(own["description"])),
        ("wallet", own["wallet"] and visible(own["wallet"])),
        ("roles", ", ".join(map(visible, own["roles"])) or "none: no bot can load its keys"),
        ("allowed exchanges", "all" if allowed is None else show(allowed)),
        ("last release", f"{span(now - last)} ago" if last else "never"),
        ("created", show(own["created_at"])),
        ("changed", show(own["updated_at"])),
        ("id", str(own["id"])),
    ]
    return [(name, text) for name, text in told if text]


def events(found: list[Row], now: dt.datetime) -> list[dict[str, str]]:
    """The history of an account, the newest first."""
    return [
        {
            "position": f"{event['position']:,}",
            "when": f"{span(now - event['recorded_at'])} ago",
            "exactly": show(event["recorded_at"]),
            "who": visible(f"{event['actor']} as {event['recorded_by']}"),
            "what": visible(event["what"]),
            "why": said(event["reason"]) if event["reason"] else "",
        }
        for event in found
    ]
