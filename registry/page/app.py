"""The server of the page."""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any, Final, TypeVar

from aiohttp import web

from registry.clock import now
from registry.database.patience import at_most
from registry.errors import (
    DatabaseUnavailable,
    ExitStatus,
    InvalidInput,
    RegistryError,
)
from registry.hints import commands_of
from registry.page.guard import HEADERS, Guard
from registry.page.live import Changes
from registry.page.pictures import bar
from registry.page.showing import (
    account_address,
    chart_of,
    events,
    facts,
    paging,
    rendered,
    table,
    tabs,
    view_address,
)
from registry.plain import show, visible
from registry.plurals import plural
from registry.registry import Registry
from registry.services.views.described import ATTENTION, VIEWS
from registry.services.views.reading import FILTERS, Filter, Rows, none_fits, view_of
from registry.services.views.words import in_words

log = logging.getLogger("registry")

_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PATIENCE: Final = 2.0
"""So many seconds a page waits for a server that is not ready; then it says so."""
_LONGEST: Final = 15.0
_READERS: Final = 3
_EVENTS: Final = 50
_MOST_EVENTS: Final = 499
_KNOWN: Final = 30.0
"""So long the names of the exchanges, for the filter, are known."""
_STATIC: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_OPEN: Final = ("/login", *(f"/static/{name}" for name in _STATIC))
"""What is answered without the token."""
_STATUS: Final = {
    ExitStatus.USAGE: 400,
    ExitStatus.NOT_FOUND: 404,
    ExitStatus.REFUSED: 403,
    ExitStatus.UNAVAILABLE: 503,
}


class Page:
    """The answers of the page."""

    def __init__(self, registry: Registry, guard: Guard, cookie: str) -> None:
        self._registry = registry
        self._guard = guard
        self._cookie = cookie
        self._live: Changes | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="page-reads")
        self._exchanges: tuple[float, list[str]] = (float("-inf"), [])

    def application(self) -> web.Application:
        """The application, to be run by a server."""
        made = web.Application(middlewares=[self._guarded, self._explained], client_max_size=4096)
        made.on_response_prepare.append(_with_headers)
        made.on_startup.append(self._start)
        made.on_shutdown.append(self._stop)
        made.router.add_get("/", self._view)
        made.router.add_get("/account", self._account)
        made.router.add_get("/changes", self._changes)
        made.router.add_post("/login", self._login)
        made.router.add_post("/logout", self._logout)
        for name, kind in _STATIC.items():
            made.router.add_get(f"/static/{name}", _static(name, kind))
        for name in VIEWS:
            made.router.add_get(f"/{name}", self._view)
        return made

    async def _start(self, _: web.Application) -> None:
        self._live = Changes(self._registry)

    async def _stop(self, _: web.Application) -> None:
        if self._live is not None:
            await self._live.close()
        self._readers.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ who may see what

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not self._guard.is_own_host(request.host):
            return web.Response(status=421, text="This server has another name: see --host.\n")
        if request.method == "POST" and not self._guard.is_own_origin(
            request.headers.get("Origin"), request.host
        ):
            return web.Response(status=403, text="This form is not of this server.\n")
        if request.path in _OPEN or self._may_see(request):
            return await handler(request)
        return _login_form(request.path_qs)

    def _may_see(self, request: web.Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._guard.knows_token(token):
            return True
        return self._guard.knows_session(request.cookies.get(self._cookie, ""))

    async def _login(self, request: web.Request) -> web.StreamResponse:
        sent = await request.post()
        given, back = str(sent.get("token", "")), str(sent.get("back", "/"))
        if not self._guard.knows_token(given):
            return _login_form(back, wrong=True)
        answer = web.Response(status=303, headers={"Location": _local(back)})
        session = self._guard.new_session()
        answer.set_cookie(self._cookie, session, httponly=True, samesite="Strict", path="/")
        return answer

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self._guard.end_session(request.cookies.get(self._cookie, ""))
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.del_cookie(self._cookie, path="/")
        return answer

    @web.middleware
    async def _explained(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Says an error on the page; the text of an unexpected one may hold anything."""
        try:
            return await handler(request)
        except RegistryError as error:
            status = _STATUS.get(error.exit_status, 500)
            hint = commands_of(error.hint) if error.hint else ""
            return _error(request, status, error.message, hint)
        except web.HTTPException as error:
            if error.status in (404, 405):
                return _error(request, error.status, "There is no such page.", "")
            raise
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the last resort of the page
            log.error("the page: unexpected %s", type(error).__name__)  # noqa: TRY400 - not its text
            message = f"unexpected {type(error).__name__}"
            return _error(request, 500, message, "This is a defect of the program.")

    # ------------------------------------------------------------ what there is to see

    async def _view(self, request: web.Request) -> web.StreamResponse:
        view = view_of(request.path.strip("/") or "accounts")
        wanted = _filter(request)
        given: dict[str, Any] = {**wanted.given, "page": wanted.page}

        def read() -> tuple[Rows, list[str], int, Any]:
            views = self._registry.views
            rows = views.read(view.name, **given)
            total = 0 if rows.rows else views.read(view.name, size=1).total
            chart = chart_of(views.releases_by_hour()) if view.name == "releases" else None
            return rows, self._known_exchanges(), total, chart

        rows, exchanges, total, chart = await self._read(read)
        values = {
            "view": view,
            "it": table(rows),
            "wanted": rows.filter,
            "total": rows.total,
            "thing": plural(rows.total, view.thing),
            "needing": rows.attention,
            "needing_address": view_address(view, rows.filter, state=ATTENTION),
            "plain": view_address(view, Filter()),
            "paging": paging(rows),
            "nothing": "" if rows.rows else none_fits(rows, total),
            "chart": chart,
            "read_at": show(rows.read_at),
        }
        if _is_part(request):
            return _html(rendered("view_live.html", **values))
        return _html(rendered("view.html", tabs=tabs(view.name), exchanges=exchanges, **values))

    async def _account(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("name", "")
        wanted = _number(request, "events", _EVENTS, _MOST_EVENTS)

        def read() -> Any:
            return (
                self._registry.views.account(name),
                self._registry.views.history(name, size=wanted + 1).rows,
            )

        picture, found = await self._read(read)
        moment = now()
        own = picture.facts
        sections = [
            {
                "rows": rows,
                "it": table(rows),
                "all": view_address(rows.view, Filter(account=name, state=_all(rows))),
            }
            for rows in (
                picture.problems,
                picture.credentials,
                picture.positions,
                picture.shares,
                picture.releases,
            )
        ]
        more = len(found) > wanted < _MOST_EVENTS
        columns = {column.name: column for column in VIEWS["accounts"].columns}
        values = {
            "name": visible(name),
            "state": own["state"],
            "urgency": VIEWS["accounts"].states[own["state"]],
            "limits": [
                {
                    "name": columns[column].heading,
                    "text": in_words(columns[column], own, moment),
                    "picture": bar(part),
                }
                for column, part in (
                    ("exposure_usd", own["of_limit"]),
                    ("positions", _part(own["positions"], own["max_positions"])),
                )
            ],
            "facts": facts(picture, moment),
            "sections": sections,
            "events": events(found[:wanted], moment),
            "more_events": f"{account_address(name)}&events={min(4 * wanted, _MOST_EVENTS)}#older"
            if more
            else None,
            "read_at": show(moment),
        }
        template = "account_live.html" if _is_part(request) else "account.html"
        return _html(rendered(template, tabs=tabs(None), **values))

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: that something changed, never what."""
        answer = web.StreamResponse()
        answer.content_type = "text/event-stream"
        await answer.prepare(request)
        await answer.write(b"retry: 2000\n\n")
        if self._live is None:
            return answer
        # Whoever looks may have gone.
        with contextlib.suppress(ConnectionResetError):
            async with contextlib.aclosing(self._live.told()) as changes:
                async for number in changes:
                    told = ":\n\n" if number is None else f"event: change\ndata: {number}\n\n"
                    await answer.write(told.encode())
        return answer

    def _known_exchanges(self) -> list[str]:
        """The names for the filter; new ones appear a little later."""
        read_at, names = self._exchanges
        if time.monotonic() - read_at > _KNOWN:
            names = self._registry.views.exchanges()
            names = [name for name in names if name.isprintable()]
            self._exchanges = time.monotonic(), names
        return names

    async def _read(self, work: Callable[[], _T]) -> _T:
        """Reads in a thread, and waits neither for ever nor long for a database that is away."""

        def impatiently() -> _T:
            with at_most(_PATIENCE):
                return work()

        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._readers, lambda: context.run(impatiently))
        try:
            return await asyncio.wait_for(reading, _LONGEST)
        except TimeoutError:
            raise DatabaseUnavailable("the database does not answer") from None


async def _with_headers(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(HEADERS)


def _static(name: str, kind: str) -> _Handler:
    text = files("registry.page").joinpath("static", name).read_text(encoding="utf-8")

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=kind)

    return answer


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


def _login_form(back: str, *, wrong: bool = False) -> web.Response:
    return _html(rendered("login.html", wrong=wrong, back=_local(back)), 401)


def _local(path: str) -> str:
    """The path, if it is one of this server: other servers' addresses may look like paths."""
    known = {"/account", *(f"/{name}" for name in VIEWS)}
    return path if path.partition("?")[0] in known and path.isprintable() else "/"


def _error(request: web.Request, status: int, message: str, hint: str) -> web.Response:
    message, hint = visible(message), visible(hint)
    if _is_part(request):
        return web.Response(text=f"{message[:1].upper()}{message[1:]}. {hint}", status=status)
    away = status == _STATUS[ExitStatus.UNAVAILABLE]
    heading = "The database is away" if away else "That did not work"
    values = {"heading": heading, "message": message, "hint": hint, "again": away}
    return _html(rendered("error.html", tabs=tabs(None), **values), status)


def _is_part(request: web.Request) -> bool:
    """Whether only the part of a page is wanted that a script renews."""
    return request.headers.get("X-Part") == "live"


def _filter(request: web.Request) -> Filter:
    given: dict[str, Any] = {n: request.query.get(n, "").strip() or None for n in FILTERS}
    return Filter(**given, page=_number(request, "page", 1, 50_000))


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise InvalidInput(f"{name} is not a number from 1 to {most:,}")
    return int(text)


def _all(rows: Rows) -> str | None:
    return "all" if rows.view.asked else None


def _part(value: int, limit: Any) -> Any:
    return value / limit if limit else None
