"""The verb `serve`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput, MissingExtra

_KEPT_SECONDS: Final = 60.0
"""A connection stays open so long: an open page reads every few seconds."""


@verb()
def serve(
    run: Run,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where to listen: an IP address and a port.")
    ] = "127.0.0.1:8484",
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name of this server for browsers. May be repeated."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the token in this file; it is made if missing."),
    ] = None,
) -> None:
    """Show all accounts as a page for browsers.

    Read-only, and live. A login of an auditor is enough. Ends with Ctrl-C.
    """
    try:
        from registry.page.serving import address_of, is_loopback
        from registry.page.serving import serve as serve_page
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name or "aiohttp", "aiohttp", "jinja2") from None
    from registry.database.pool import PooledDatabase
    from registry.database.target import Target
    from registry.registry import Registry

    if not is_loopback(address_of(listen)[0]):
        run.output.notice(
            "Note: others on the way can read the page and its token. Use a VPN or ssh, or a proxy "
            "with TLS."
        )
    token = None if token_file is None else _kept_token(token_file)

    def tell(address: str, made: str) -> None:
        shown = address if token_file else f"{address}#token={made}"
        data = {"address": address, "token_file": None if token_file is None else str(token_file)}
        if token_file is None:
            data["token"] = made
        run.output.result(data, lambda: run.output.line(f"The page is at {shown}"))
        where = "is in the file" if token_file else "is what follows #token="
        run.output.notice(f"Its token {where}. Who has it sees the page. Ctrl-C ends it.")

    database = PooledDatabase(Target.from_environment(), keep=_KEPT_SECONDS, notice=lambda _: None)
    with Registry(database) as registry:
        serve_page(registry, listen, names=host or (), token=token, tell=tell)


def _kept_token(path: Path) -> str:
    """The token in a file, which is made with a new one if there is none."""
    import secrets

    from registry.encryption.key_file import read_key_file, write_key_file
    from registry.encryption.secret import Secret

    try:
        if not path.exists():
            write_key_file(path, Secret(secrets.token_urlsafe(32)))
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
    token = read_key_file(
        path, missing=InvalidInput, malformed=InvalidInput, hint="Name another file."
    ).reveal()
    if len(token) < 32:  # noqa: PLR2004 - what a guess cannot reach
        raise InvalidInput(
            f"the token in {path} is shorter than 32 characters",
            hint="Remove the file, and a new token is made.",
        )
    return token
