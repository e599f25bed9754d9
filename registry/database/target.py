"""The database to use: an external one by `DATABASE_URL`, or the embedded one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, urlencode

from registry.errors import InvalidInput, NoDatabase
from registry.hints import Command, Hint
from registry.machine import data_folder, unit_credential

EMBEDDED: Final = "postgres"
"""The folder of the embedded server in the data folder."""
DIRECT: Final = "DATABASE_URL_DIRECT"
"""The variable with the address of the server itself, where DATABASE_URL is that of a pooler."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database; without a URL it is the embedded one."""

    url: str | None = field(repr=False)  # it may hold a password
    direct: "Target | None" = field(default=None, repr=False)
    """The same database without a pooler, where one is in between."""

    @property
    def embedded(self) -> bool:
        """Whether the registry runs the server itself."""
        return self.url is None

    @classmethod
    def from_environment(cls) -> "Target":
        """The database that the environment names.

        Raises:
            InvalidInput: it is not a PostgreSQL URL, or systemd passes another one.
        """
        target, direct = cls._named("DATABASE_URL"), cls._named(DIRECT)
        if target is None and direct is not None:
            raise InvalidInput(
                f"{DIRECT} is set, and DATABASE_URL is not",
                hint="Set both, or only DATABASE_URL where there is no pooler.",
            )
        return cls(target.url if target else None, direct)

    @classmethod
    def _named(cls, variable: str) -> "Target | None":
        url, passed = os.environ.get(variable, "").strip(), unit_credential(variable.lower())
        source = f"{variable.lower()} in CREDENTIALS_DIRECTORY"
        if url and passed is not None:
            raise InvalidInput(
                f"2 sources name the database: {variable} and {source}",
                hint="Keep one of them, and unset the other.",
            )
        if passed is not None:
            return cls.of(passed, source)
        return cls.of(url, variable) if url else None

    @classmethod
    def given(cls, url: str | None, direct: str | None) -> "Target":
        """The database at a program's addresses; without any, that of the environment."""
        if url is None and direct is None:
            return cls.from_environment()
        target = cls.from_environment() if url is None else cls.of(url)
        return replace(
            target, direct=None if direct is None else cls.of(direct, "the direct address")
        )

    @classmethod
    def for_bots(cls) -> "Target":
        """Like `from_environment`, for a bot, which sets up no database: an empty one is useless.

        Raises:
            NoDatabase: there is no address, and no embedded database so far.
        """
        target = cls.from_environment()
        if target.embedded and not (data_folder() / EMBEDDED / "PG_VERSION").exists():
            raise NoDatabase(
                "no database is configured, and there is no embedded one yet",
                hint=Hint("Set DATABASE_URL, or set one up: ", Command("migrate", "up")),
            )
        return target

    @classmethod
    def of(cls, url: str, named_by: str = "DATABASE_URL") -> "Target":
        """The database at an address.

        Raises:
            InvalidInput: it is not a PostgreSQL URL.
        """
        # SQLAlchemy's form is common in bots' environments; libpq needs the plain form.
        url = re.sub(r"^postgres(ql)?\+[a-z0-9_]+://", "postgresql://", url)
        if not re.match(r"^(postgres(ql)?://|[a-z_]+ *=)", url):
            raise InvalidInput(
                f"{named_by} is not the address of a PostgreSQL database",
                hint="It looks like postgresql://user@host:5432/database."
                + " Unset it to use the embedded database." * (named_by == "DATABASE_URL"),
            )
        _check_special_characters(url, named_by)
        return cls(url)


_SHARED: Final = frozenset(
    """
    hostaddr sslmode sslrootcert sslcrl sslcrldir sslsni ssl_min_protocol_version channel_binding
    gssencmode target_session_attrs load_balance_hosts
    """.split()  # noqa: SIM905 - as text it can be read
)
"""The parameters of a connection that hold for another user too; none of them is a secret."""


def address_for(given: Mapping[str, str], user: str, password: str | None) -> str:
    """The address of the same database for another user, from a connection's parameters."""
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    query = {name: value for name, value in given.items() if name in _SHARED}
    authority = ""
    if any(not host or host[0] in "/@" for host in hosts):  # folders of sockets
        query |= {name: given[name] for name in ("host", "port") if given.get(name)}
    else:
        ports = ports * len(hosts) if len(ports) == 1 else ports
        authority = ",".join(
            (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=True)
        )
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = f"postgresql://{login}@{authority}/{quote(given.get('dbname', ''), safe='')}"
    return place + ("?" + urlencode(query, quote_via=quote) if query else "")


def _check_special_characters(url: str, named_by: str) -> None:
    """Refuses an address that libpq would split in another place than its author meant.

    libpq would take half of a password for a host or a port, and quote it in its error.
    """
    _, is_url, text = url.partition("://")
    authority = re.split("[/?]", text, maxsplit=1)[0]
    path = text[len(authority) :].partition("?")[0]
    user, at, hosts = authority.rpartition("@")
    ports = [re.sub(r"^\[[^\]]*\]|^[^:]*", "", host) for host in hosts.split(",")]
    if is_url and (
        "@" in user
        or ("@" in path and not at)
        or re.search("%(?![0-9A-Fa-f]{2})", user)
        or not all(re.fullmatch("(:[0-9]*)?", port) for port in ports)
    ):
        raise InvalidInput(
            f"{named_by} cannot be taken apart into user, password, host and port",
            hint="Special characters in a password are written as %40 for @, %2F for /, "
            "%3A for :, %3F for ?, %25 for %.",
        )
