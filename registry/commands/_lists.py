"""Lists: the same options, the same columns on a terminal and in a pipe, one way to say "none"."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._changes import tell_stops
from registry.commands._options import Wide
from registry.commands._run import Run
from registry.errors import InvalidInput
from registry.plain import show
from registry.plurals import counted
from registry.shown import shown

if TYPE_CHECKING:
    from registry.rules.stops import Stop

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """What a list shows of its records: heading -> name in the record."""

    base: Mapping[str, str]
    wide: Mapping[str, str] = field(default_factory=dict)
    """What `--wide` adds."""
    under: tuple[str, ...] = ()
    """Headings of long texts, which stand below their row where a line is too short for all."""
    seen: Callable[[Record], Record] = lambda record: record
    """The record as it is shown and sorted."""


LISTS: Final[dict[str, Columns]] = {}
"""The columns of each verb that lists something; the completion of `--sort` reads them."""


def columns(verb: str, base: Mapping[str, str], wide: Mapping[str, str], **more: Any) -> Columns:
    """The columns of a verb's list."""
    made = LISTS[verb] = Columns(base, wide, **more)
    return made


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How much of a list is shown, and in which order."""

    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="By a column: texts from A to Z, the newest and the largest first.",
        ),
    ] = None
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="The first N.")] = None
    wide: Wide = False


def show_list(
    run: Run,
    how: ListOptions,
    shape: Columns,
    found: Sequence[Record],
    none: Callable[[], str],
    stops: Iterable["Stop"] = (),
) -> None:
    """Prints a list; `none` says why it is empty, and `stops` what keeps its keys back."""
    pairs = [(shape.seen(record), record) for record in found]
    if how.sort is not None:
        pairs = _sorted(pairs, how.sort, shape)
    pairs = pairs[: how.limit]

    def text() -> None:
        headings = {**shape.base, **(shape.wide if how.wide else {})}
        run.output.listed(headings, [seen for seen, _ in pairs], none, under=shape.under)
        tell_stops(run, stops)

    more = len(found) - len(pairs)
    cut = f"There {'is' if more == 1 else 'are'} {more:,} more; --limit N shows N." if more else ""
    run.output.result([record for _, record in pairs], text, cut=cut)


def _sorted(
    pairs: list[tuple[Record, Record]], column: str, shape: Columns
) -> list[tuple[Record, Record]]:
    headings = {**shape.base, **shape.wide}
    # A name of the JSON will do too, and `name` for the first column.
    also = {name: name for name in headings.values()}
    name = {**also, "name": next(iter(also)), **headings}.get(column)
    if name is None:
        raise InvalidInput(
            f"there is no column {shown(column)} to sort by", hint=f"It is {', '.join(headings)}."
        )
    empty = [pair for pair in pairs if pair[0][name] in (None, [], "")]
    full = [pair for pair in pairs if pair[0][name] not in (None, [], "")]
    largest_first = all(isinstance(pair[0][name], int | Decimal | dt.datetime) for pair in full)
    full.sort(
        key=lambda pair: pair[0][name] if largest_first else show(pair[0][name]).casefold(),
        reverse=largest_first,
    )
    return full + empty


def none_fits(
    thing: str, asked: Mapping[str, Any], total: Callable[[], int], there: str = "in all"
) -> str:
    """Why a list is empty: what was asked for and what there is, or that there is nothing yet."""
    said = [
        f"{'' if value else 'not '}{name.replace('_', ' ')}"
        if isinstance(value, bool)
        else f"{name.replace('_', ' ')} {show(value)}"
        for name, value in asked.items()
        if value is not None
    ]
    count = total() if said else 0
    if not count:
        return f"There are no {thing}s."
    are = "is" if count == 1 else "are"
    return f"No {thing} fits {', '.join(said)}. There {are} {counted(count, thing)} {there}."
