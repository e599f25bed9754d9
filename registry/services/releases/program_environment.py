"""Selects the environment variables that a started program gets from this process.

By default only known system variables pass. The name of any other variable does not show whether
it holds another account's key: docs/decisions/0009-run-passes-on-what-is-named.md.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import ExchangeSpec
from registry.errors import InvalidInput

_SYSTEM: Final = frozenset(
    """
    PATH HOME USER LOGNAME SHELL SHLVL _ PWD OLDPWD TMPDIR TMP TEMP HOSTNAME
    LANG LANGUAGE LC_* TZ TZDIR
    TERM COLORTERM TERMINFO COLUMNS LINES NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE
    XDG_*
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS
    HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY WS_PROXY WSS_PROXY NO_PROXY
    http_proxy https_proxy ftp_proxy all_proxy ws_proxy wss_proxy no_proxy
    PYTHON* VIRTUAL_ENV CONDA_PREFIX NODE_PATH JAVA_HOME
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH
    NOTIFY_SOCKET WATCHDOG_PID WATCHDOG_USEC LISTEN_PID LISTEN_FDS LISTEN_FDNAMES
    INVOCATION_ID JOURNAL_STREAM
    RUNTIME_DIRECTORY STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY CONFIGURATION_DIRECTORY
    """.split()  # noqa: SIM905 - readable as text
)
"""Variables of the system, terminals, language runtimes, and systemd (systemd.exec(5)).
The proxies are listed by full name: an account may be called proxy."""

_OURS: Final = re.compile(r"^(CREDENTIAL_ENCRYPTION_KEY|DATABASE_URL|REGISTRY_|PG[A-Z]+$)")
_SECRET_WORD: Final = re.compile(r"KEY|SECRET|PASS|TOKEN|MNEMONIC|SEED|PRIVATE|CREDENTIAL")


@dataclass(frozen=True, slots=True)
class PassedOn:
    """The environment of a program, and the variables left out of it."""

    variables: dict[str, str]
    left_out: list[str]
    """Names, sorted."""
    not_set: list[str]
    """Requested names that are not set."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted variables: system variables, and variables that the caller asks for."""

    names: frozenset[str]
    prefixes: tuple[str, ...]
    asked: frozenset[str]
    """The full names that the caller gave."""

    @classmethod
    def of(cls, asked: Iterable[str]) -> "Wanted":
        """Takes full names, and prefixes followed by *.

        Raises:
            InvalidInput: a text is neither.
        """
        given = list(asked)
        for pattern in given:
            _check(pattern)
        wanted = _SYSTEM.union(given)
        return cls(
            names=frozenset(pattern for pattern in wanted if not pattern.endswith("*")),
            prefixes=tuple(pattern[:-1] for pattern in wanted if pattern.endswith("*")),
            asked=frozenset(pattern for pattern in given if not pattern.endswith("*")),
        )

    def pick(self, specs: Iterable[ExchangeSpec] = ()) -> PassedOn:
        """The wanted variables of this process.

        A full name always passes. A prefix never passes the registry's own settings and keys,
        nor a variable that could hold an account's credential. Such a variable contains a
        known name, of the catalog or of one of `specs`. Or it contains an exchange's name
        together with a word such as KEY or SECRET.
        """
        known = [*built_in_exchanges().values(), *specs]
        variables = {
            name: value
            for name, value in os.environ.items()
            if name in self.names
            or (name.startswith(self.prefixes) and not _is_not_the_programs(name, known))
        }
        return PassedOn(
            variables,
            left_out=sorted(os.environ.keys() - variables.keys()),
            not_set=sorted(self.asked - os.environ.keys()),
        )


def _check(asked: str) -> None:
    # The text after = may be a secret, so the message repeats nothing.
    if "=" in asked:
        raise InvalidInput(
            "--pass-env passes a variable on and does not set one",
            hint="Give its name only; the value comes from the environment.",
        )
    if not asked or "*" in asked[:-1]:
        raise InvalidInput(
            f"--pass-env {asked!r} is neither a variable's name nor the beginning of one",
            hint="It is a name, or a name's beginning with * behind it: 'MYBOT_*'.",
        )


def _is_not_the_programs(name: str, specs: Iterable[ExchangeSpec]) -> bool:
    upper = name.upper()
    if _OURS.match(upper):
        return True
    if any(_holds(upper, env) for spec in specs for env in spec.variables.values()):
        return True
    words = (spec.name.upper() for spec in specs)
    return bool(_SECRET_WORD.search(upper)) and any(_holds(upper, word) for word in words)


def _holds(name: str, part: str) -> bool:
    return f"_{part}_" in f"_{name}_"
