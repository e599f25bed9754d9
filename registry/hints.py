"""Hints as data: the command line shows them as commands, a program reads them as calls.

    Hint("Reactivate it first: ", Command("reactivate-account", "main_bot"))

reads `account-registry reactivate-account main_bot` on the command line. As a text it reads
`registry.accounts.reactivate("main_bot")`, since every other reader of a hint is a program.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from types import EllipsisType
from typing import Any, Final, Self

METHODS: Final[Mapping[str, str]] = {
    "create-account": "accounts.create",
    "update-account": "accounts.update",
    "rename-account": "accounts.rename",
    "deactivate-account": "accounts.deactivate",
    "reactivate-account": "accounts.reactivate",
    "delete-account": "accounts.delete",
    "list-accounts": "accounts.list",
    "show-account": "accounts.get",
    "add-credential": "credentials.add",
    "replace-credential": "credentials.replace",
    "update-credential": "credentials.update",
    "deactivate-credential": "credentials.deactivate",
    "reactivate-credential": "credentials.reactivate",
    "remove-credential": "credentials.remove",
    "destroy-secrets": "credentials.destroy_secrets",
    "list-credentials": "credentials.list",
    "check-credential": "credentials.check",
    "rotate-credential": "credentials.rotate",
    "resolve": "credentials.resolve",
    "reveal-credential": "credentials.reveal",
    "whose-key": "credentials.whose_key",
    "share": "shares.grant",
    "unshare": "shares.revoke",
    "list-shares": "shares.list",
    "grant-access": "access.grant",
    "revoke-access": "access.revoke",
    "list-access": "access.list",
    "add-bot": "access.add_bot",
    "remove-bot": "access.remove_bot",
    "link-positions": "positions.link",
    "unlink-positions": "positions.unlink",
    "list-positions": "positions.list",
    "exchanges": "exchanges.list",
    "add-exchange": "exchanges.add",
    "update-exchange": "exchanges.update",
    "remove-exchange": "exchanges.remove",
    "import-env": "import_env",
    "import-config": "import_config",
    "adopt": "adopt",
    "history": "history",
    "stop": "stop",
    "resume": "resume",
    "rebuild": "rebuild",
    "rollback": "rollback",
    "who-could-use": "exposure.who_could_use",
    "blast-radius": "exposure.blast_radius",
    "verify": "verify",
    "checkpoint": "checkpoint",
    "prove": "prove",
    "verify-proof": "verify_proof",
    "rotate-master-key": "rotate_master_key",
    "migrate": "migrate",
    "doctor": "doctor",
    "list-problems": "problems",
    "metrics": "serve_metrics",
    "restore-drill": "backups.drill",
    "end-session": "end_session",
}
"""Verb -> the method of `Registry` that does the same. A verb without a method stays a command."""

OTHERS: Final[Mapping[tuple[str, str], str]] = {
    ("list-credentials", "held"): "credentials.held",
    ("list-credentials", "versions"): "credentials.versions",
}
"""Verb and option -> a method of its own, where the option makes another list."""

OPTIONS: Final[Mapping[str, str]] = {
    "sharing_type": "type",
    "event_type": "type",
    "ip_allow_list": "ip",
    "exchange_account_id": "exchange-account",
    "closed": "all",
    "every": "all",
    "everything": "all",
}
"""Parameter of a method -> its option, where the names differ."""

_COMMAND: Final = re.compile(r"account-registry ([a-z]+(?:-[a-z]+)*)((?: [^\s;,\"]+)*)")
_OPTION: Final = re.compile(r"(?<![\w-])--(?!help)([a-z]+(?:-[a-z]+)*)")
_FLAGS: Final = {
    *("cascade", "dry_run", "move", "skip", "allow_shared_secret", "help"),
    *("although_held", "held", "activate", "abandon", "retire"),
}


class Blank(str):
    """A placeholder that the reader fills in, such as EXCHANGE; shown without quotes."""

    __slots__ = ()


class Option:
    """An option of a verb, which is a parameter of its method; `...` stands for any value."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Any = True) -> None:
        self.name = name
        self.value = value

    def as_command(self) -> str:
        """The option as typed, such as `--subaccount 3`, or `--subaccount lighter=3`."""
        option = f"--{OPTIONS.get(self.name, self.name).replace('_', '-')}"
        if self.value is False:
            return f"--no-{option.removeprefix('--')}"
        bare = self.value is True or isinstance(self.value, EllipsisType)
        return option if bare else f"{option} {_word(self.value)}"

    def as_call(self) -> str:
        """The keyword argument, such as `subaccount=3`, or `subaccount={"lighter": 3}`."""
        return f"{self.name}={_literal(self.value)}"

    def filled(self, values: Mapping[str, Any]) -> "Option":
        """A copy with the placeholders of a template filled in."""
        return Option(self.name, _filled(self.value, values))


class Command:
    """A verb with its arguments; an option that is None is left out."""

    __slots__ = ("arguments", "options", "verb")

    def __init__(self, verb: str, *arguments: Any, **options: Any) -> None:
        self.verb = verb
        self.arguments = arguments
        self.options = [Option(n, value) for n, value in options.items() if value is not None]

    def as_command(self) -> str:
        """Example: `account-registry add-credential main_bot aster --permission read_only`."""
        options = [option.as_command() for option in self.options]
        arguments = [_word(argument) for argument in self.arguments]
        words = [*arguments, *options]
        if any(argument.startswith("-") for argument in arguments):
            words = [*options, "--", *arguments]
        return " ".join(["account-registry", self.verb, *words])

    def as_call(self) -> str:
        """Example: `registry.credentials.add("main_bot", "aster", permission="read_only")`."""
        if self.verb not in METHODS:
            return self.as_command()
        asked = [option for option in self.options if option.name != "help"]
        named = [(self.verb, option.name) for option in asked]
        method = next((OTHERS[name] for name in named if name in OTHERS), METHODS[self.verb])
        options = [o.as_call() for o in asked if (self.verb, o.name) not in OTHERS]
        given = ", ".join([*map(_literal, self.arguments), *options])
        return f"registry.{method}({given})"

    def filled(self, values: Mapping[str, Any]) -> "Command":
        """A copy with the placeholders of a template filled in."""
        arguments = [_filled(argument, values) for argument in self.arguments]
        options = {option.name: option.filled(values).value for option in self.options}
        return Command(self.verb, *arguments, **options)


class Hint(str):
    """A text that may name commands and options; as a `str` it names calls instead."""

    __slots__ = ("parts",)

    parts: tuple[str | Command | Option, ...]

    def __new__(cls, *parts: str | Command | Option) -> Self:
        """Joins the parts; a nested hint contributes its own parts."""
        flat = [p for part in parts for p in (part.parts if isinstance(part, Hint) else (part,))]
        hint = super().__new__(cls, "".join(p if isinstance(p, str) else p.as_call() for p in flat))
        hint.parts = tuple(flat)
        return hint

    @classmethod
    def joined(cls, between: str, parts: Iterable[str | Command | Option]) -> Self:
        """Joins several parts with a text between them."""
        return cls(*[p for part in parts for p in (between, part)][1:])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses a text that names commands, such as the hint of a database function."""
        parts: list[str | Command | Option] = []
        end = 0
        for found in re.finditer(f"{_COMMAND.pattern}|{_OPTION.pattern}", text):
            parts += [text[end : found.start()], _parsed(*found.groups())]
            end = found.end()
        return cls(*parts, text[end:])

    def commands(self) -> str:
        """The text for the command line."""
        return "".join(p if isinstance(p, str) else p.as_command() for p in self.parts)

    def filled(self, **values: Any) -> "Hint":
        """A copy with the placeholders of a template filled in, as by `str.format`."""
        return Hint(
            *(p.format(**values) if isinstance(p, str) else p.filled(values) for p in self.parts)
        )


def commands_of(text: str) -> str:
    """A text as the command line shows it."""
    return text.commands() if isinstance(text, Hint) else text


def _parsed(verb: str | None, words: str, option: str | None) -> Command | Option:
    if verb is None:
        return _option(option or "")
    arguments: list[str] = []
    options: list[Option] = []
    for word in words.split():
        if word.startswith("--"):
            options.append(_option(word[2:]))
        elif options and options[-1].value is ...:
            key, equals, value = word.partition("=")
            options[-1] = Option(options[-1].name, {key: Blank(value)} if equals else word)
        else:
            arguments.append(word)
    return Command(verb, *arguments, **{option.name: option.value for option in options})


def _option(name: str) -> Option:
    parameter = name.replace("-", "_")
    return Option(parameter, parameter in _FLAGS or ...)


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{n}={'none' if v is None else _word(v)}" for n, v in value.items())
    return value if isinstance(value, Blank) else shlex.quote(str(value))


def _literal(value: Any) -> str:
    if isinstance(value, EllipsisType) or (isinstance(value, Blank) and not value.isidentifier()):
        return "…"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(n)}: {_literal(v)}' for n, v in value.items())}}}"
    if isinstance(value, Blank | int | None):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    return value.format(**values) if type(value) is str else value
