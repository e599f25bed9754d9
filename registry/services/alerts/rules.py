"""The settings: a TOML file with receivers, and rules that say who is told of what."""

import contextlib
import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, get_args

from registry.encryption.key_file import read_key_file
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.codec import EVENT_TYPES
from registry.machine import (
    belongs_to_another,
    data_folder,
    host,
    text_of_file,
    unit_credential,
)
from registry.services.alerts.messages import Message
from registry.services.alerts.program import Program
from registry.services.alerts.webhook import Webhook
from registry.services.problems.kinds import KINDS, Severity
from registry.shown import shown

_MAX_BYTES: Final = 1 << 20
_ALL: Final = "all"
_SECONDS: Final = 10.0
_EVERY: Final = 60.0
_OF_RECEIVERS: Final = (
    *("timeout_seconds", "pass_env", "unsigned", "plain_http"),
    *("secret", "secret_file", "secret_env", "secret_credential"),
)
"""Settings of receivers besides where they are."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who is told of what; what is empty lets everything through."""

    to: tuple[str, ...]
    problems: frozenset[str]
    events: frozenset[str]
    severities: frozenset[str]
    accounts: tuple[str, ...]

    def fits(self, message: Message) -> bool:
        """Whether the receivers are told of it."""
        names = self.events if message.position is not None else self.problems
        return (
            message.kind in names
            and (not self.severities or message.severity in (None, *self.severities))
            and (
                not self.accounts
                or any(fnmatchcase(message.account or "", name) for name in self.accounts)
            )
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the file says."""

    name: str
    state: Path
    every: float
    receivers: Mapping[str, Webhook | Program]
    rules: Sequence[Rule]

    @property
    def events(self) -> frozenset[str]:
        """The types of events that anybody is told of."""
        return frozenset().union(*(rule.events for rule in self.rules))

    def to(self, message: Message) -> list[str]:
        """The receivers of a message."""
        fitting = [rule for rule in self.rules if rule.fits(message)]
        return list(dict.fromkeys(name for rule in fitting for name in rule.to))


def read_settings(path: Path) -> Settings:
    """Reads the file.

    Raises:
        InvalidInput: it cannot be read, or something in it is not known.
    """
    if not path.exists():
        raise InvalidInput(
            f"there are no settings in {shown(path)}",
            hint="They say who is told of what; examples/alerts/alerts.toml shows all.",
        )
    _refuse_others(path)
    try:
        whole = _Table("the file", tomllib.loads(text_of_file(path, limit=_MAX_BYTES)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # What stands there may be a secret: only the place is told.
        where = str(error).rpartition("(at ")[2].rstrip(")") or "somewhere"
        raise InvalidInput(f"{shown(path)} is no TOML: see {where}") from None
    given, said = whole.take("receivers", dict, {}), whole.take("rules", list, [])
    state, name = whole.take("state", str, ""), whole.take("name", str, host())
    every = whole.seconds("every_seconds", _EVERY)
    # Before what is in it: a receiver under a mistyped name would else be called unknown.
    whole.nothing_else()
    receivers = {
        name: _receiver(_Table(f"receiver {name}", table)) for name, table in given.items()
    }
    if not receivers:
        raise InvalidInput(f"{shown(path)} names no receiver", hint="It needs a [receivers.NAME].")
    rules = [
        _rule(_Table(f"rule {number}", table), receivers) for number, table in enumerate(said, 1)
    ]
    if not rules:
        raise InvalidInput(f"{shown(path)} has no rule", hint="It needs at least one [[rules]].")
    return Settings(
        name=name,
        state=Path(state) if state else data_folder() / "alerts.json",
        every=every,
        receivers=receivers,
        rules=rules,
    )


def _refuse_others(path: Path) -> None:
    """The file names commands: whoever can change it runs them as this user."""
    with contextlib.suppress(OSError):  # reading it says so
        status = path.stat()
        if belongs_to_another(status) or status.st_mode & stat.S_IWOTH:
            raise InvalidInput(
                f"{shown(path)} can be changed by other users",
                hint="It names commands that run as you. Let it be yours alone: chmod 600.",
            )


class _Table:
    """A table of the file, whose keys are taken one by one."""

    def __init__(self, where: str, found: Any) -> None:
        if not isinstance(found, dict):
            raise InvalidInput(f"{shown(where)} is no table")
        self._where = shown(where)
        self._left = dict(found)
        self._known: list[str] = []

    def take(self, name: str, kind: type, default: Any) -> Any:
        self._known.append(name)
        value = self._left.pop(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            words = {str: "a text", list: "a list", dict: "a table", bool: "true or false"}
            raise self.wrong(f"{name} must be {words[kind]}")
        return value

    def texts(self, name: str) -> list[str]:
        found = self.take(name, list, [])
        if not all(isinstance(text, str) and text and "\0" not in text for text in found):
            raise self.wrong(f"{name} must be a list of texts")
        return list(found)

    def names(self, name: str, known: Iterable[str]) -> frozenset[str]:
        """Known names, or "all" of them."""
        every = list(known)
        if self._left.get(name) == _ALL:
            self._left.pop(name)
            self._known.append(name)
            return frozenset(every)
        found = self.texts(name)
        for one in found:
            if one not in every:
                raise self.wrong(f"{name} names {shown(one)}, which is not known", one, every)
        return frozenset(found)

    def seconds(self, name: str, default: float) -> float:
        self._known.append(name)
        value = self._left.pop(name, default)
        if type(value) not in (int, float) or not 1 <= value <= 3600:  # noqa: PLR2004
            raise self.wrong(f"{name} must be a number of seconds from 1 to 3600")
        return float(value)

    def secret(self, name: str) -> Secret | None:
        """A text from a file, a variable, or a credential that systemd passes to the unit."""
        ways = [f"{name}_{way}" for way in ("file", "env", "credential")]
        file, variable, credential = (self.take(way, str, "") for way in ways)
        if sum(map(bool, (file, variable, credential))) > 1:
            raise self.wrong(f"{', '.join(ways)} exclude each other")
        if credential:
            if not (text := unit_credential(credential)):
                raise self.wrong(f"systemd passed no credential {shown(credential)}")
            return Secret(text)
        if file:
            hint = "Make it with: openssl rand -base64 32, and chmod 600."
            return read_key_file(
                Path(file), missing=InvalidInput, malformed=InvalidInput, hint=hint
            )
        if variable:
            if not (text := os.environ.get(variable, "").strip()):
                raise self.wrong(f"the variable {shown(variable)} of {name}_env is not set")
            return Secret(text)
        return None

    def nothing_else(self, *later: str) -> None:
        """Refuses what is left, but for the names that are taken later."""
        self._known.extend(later)
        for name in (name for name in self._left if name not in later):
            if name == "secret":
                raise InvalidInput(
                    f"{self._where} has a secret in plain",
                    hint="Put it into a file that only you can read, and name that: secret_file.",
                )
            raise self.wrong(f"there is no setting {shown(name)}", name, self._known)

    def wrong(self, what: str, said: str = "", known: Iterable[str] = ()) -> InvalidInput:
        close = difflib.get_close_matches(said, list(known), n=1, cutoff=0.5) if said else []
        some = f"Known are: {', '.join(sorted(known))}." if known else None
        hint = f"Did you mean {close[0]}?" if close else some
        return InvalidInput(f"{self._where}: {what}", hint=hint)


def _receiver(table: _Table) -> Webhook | Program:
    command = table.texts("command")
    address, elsewhere = table.take("webhook", str, ""), table.secret("webhook")
    # A name that is mistyped would else be called missing.
    table.nothing_else(*_OF_RECEIVERS)
    if sum(map(bool, (command, address, elsewhere))) != 1:
        raise table.wrong("it needs one of webhook, webhook_file, webhook_env and command")
    seconds = table.seconds("timeout_seconds", _SECONDS)
    if command:
        made: Webhook | Program = Program(command, seconds, table.texts("pass_env"))
        table.nothing_else()
        return made
    secret = table.secret("secret")
    if secret is None and not table.take("unsigned", bool, False):
        raise table.wrong(
            "it needs secret_file, secret_env or secret_credential, to sign what it sends, or "
            "unsigned = true"
        )
    url = elsewhere or Secret(address)
    plain = table.take("plain_http", bool, False)
    table.nothing_else()
    try:
        return Webhook.to(url, secret, seconds, plain_http=plain)
    except ValueError as error:
        raise table.wrong(str(error)) from None


def _rule(table: _Table, receivers: Iterable[str]) -> Rule:
    rule = Rule(
        to=tuple(sorted(table.names("to", receivers))),
        problems=table.names("problems", KINDS),
        events=table.names("events", EVENT_TYPES),
        severities=table.names("severities", get_args(Severity)),
        accounts=tuple(table.texts("accounts")),
    )
    table.nothing_else()
    if not rule.to:
        raise table.wrong("it needs the names of receivers: to")
    if not (rule.problems or rule.events):
        raise table.wrong("it needs problems or events to tell of")
    return rule
