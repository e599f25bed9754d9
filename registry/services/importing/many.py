"""Imports the env files of a folder, one account for each.

Which files are accounts is told from what they hold: a template has no real value, a copy
has the secrets of another file. A name alone (`backup`, `example`) leaves no file out.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from registry import values
from registry.catalog.specification import ExchangeSpec
from registry.encryption.secret import Secret
from registry.errors import InvalidInput, NothingToImport, RegistryError
from registry.services.changes.storing_several import AccountInput, refuse
from registry.services.importing.env_files import EnvImport, find_credentials, read_env_file

_NAMES: Final = (re.compile(r"\.env[._-](?P<account>.+)"), re.compile(r"(?P<account>[^.].*)\.env"))
_ANY_ENV: Final = re.compile(r"\.env|.*\.env|\.env[._-].*|.*\.env\..*")
_SPARE: Final = re.compile(
    r"(^|[._\-\d])(bak|backup|old|orig|save|copy|example|sample|template|dist)\d*([._\-]|$)|~$",
    re.IGNORECASE,
)

Pairs = frozenset[tuple[str, str, str]]
"""(exchange, field, value) of the secret fields of a file; kept for comparing only."""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A file of the folder, and what would become of it."""

    path: Path
    account: str | None
    found: EnvImport | None = None
    left_out: str | None = None
    """Why it is left out."""
    refused: RegistryError | None = None
    """Why nothing can be imported as long as it is like this."""

    @property
    def name(self) -> str:
        """What people call it: its name in the folder."""
        return self.path.name


def survey(
    folder: Path,
    specs: Sequence[ExchangeSpec],
    held: Callable[[str], Collection[str]],
    existing: Collection[str],
) -> list[EnvFile]:
    """What each env file of a folder is; reads nothing else and changes nothing.

    `held` tells which exchanges an account has credentials for, `existing` which accounts
    there are.

    Raises:
        InvalidInput: the folder cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _ANY_ENV.fullmatch(path.name))
    except OSError as error:
        raise InvalidInput(f"cannot read {folder}: {error.strerror}") from None
    files = [_examine(path, specs, held) for path in paths if path.is_file()]
    return _without_copies(files, specs, existing)


def chosen(files: Iterable[EnvFile], *, create: bool) -> list[AccountInput]:
    """What the files that can be read hold; `create` says that accounts may be made."""
    return [
        AccountInput(
            one.name,
            one.account,
            one.found.inputs(),
            one.found.account(one.account) if create else None,
        )
        for one in files
        if one.account is not None and one.found is not None and one.refused is None
    ]


def with_problems(files: Iterable[EnvFile], problems: Mapping[str, RegistryError]) -> list[EnvFile]:
    """The files, those refused of which the registry cannot take what they hold."""
    return [
        replace(one, refused=problems[one.name]) if one.name in problems else one for one in files
    ]


def check_all(files: Collection[EnvFile]) -> None:
    """Makes one error of all that stands in the way.

    Raises:
        RegistryError: a file is refused; nothing is imported then.
        NothingToImport: no file is left.
    """
    refuse({one.name: one.refused for one in files if one.refused})
    if not any(one.found for one in files):
        raise NothingToImport("no env file of the folder holds a complete credential")


def account_of(path: Path) -> str | None:
    """The account that a file is named for: `.env.acc1` and `acc1.env` are acc1's."""
    matches = (pattern.fullmatch(path.name) for pattern in _NAMES)
    return next((match["account"] for match in matches if match), None)


def _examine(
    path: Path, specs: Sequence[ExchangeSpec], held: Callable[[str], Collection[str]]
) -> EnvFile:
    account = account_of(path)
    if account is None:
        return EnvFile(path, None, left_out="its name says no account")
    try:
        variables = read_env_file(path)
    except InvalidInput as problem:
        return EnvFile(path, account, left_out=f"no env file: {problem.message}")
    try:
        values.account_name(account)
        return EnvFile(path, account, find_credentials(variables, specs, held=held(account)))
    except NothingToImport:
        return EnvFile(path, account, left_out="a template: no real value in it")
    except RegistryError as problem:
        if _is_template(variables, specs):
            return EnvFile(path, account, left_out="a template: no real secret in it")
        hint = "Correct the file, or move it out of the folder."
        return EnvFile(path, account, refused=type(problem)(problem.message, hint=hint))


def _is_template(variables: Mapping[str, Secret], specs: Iterable[ExchangeSpec]) -> bool:
    secret = {one.env for spec in specs for one in spec.fields.values() if one.secret}
    return not any(
        name in secret and not values.is_placeholder(value.reveal())
        for name, value in variables.items()
    )


def _without_copies(
    files: Sequence[EnvFile], specs: Sequence[ExchangeSpec], existing: Collection[str]
) -> list[EnvFile]:
    secrets = {one.path: _secrets(one.found, specs) for one in files if one.found}
    # Whose account exists comes first, then the plainest name: the others are its copies.
    order = sorted(
        (one for one in files if one.found),
        key=lambda one: (
            one.account not in existing,
            bool(_SPARE.search(one.name)),
            len(one.name),
            one.name,
        ),
    )
    reasons: dict[Path, str] = {}
    kept: list[EnvFile] = []
    for one in order:
        mine = secrets[one.path]
        for other in kept:
            theirs = secrets[other.path]
            spare = bool(_SPARE.search(one.name)) and bool(mine & theirs)
            if mine <= theirs or spare:
                what = "a copy" if mine <= theirs else "an older or newer copy"
                reasons[one.path] = f"{what} of {other.name}: the same secrets"
                break
        else:
            kept.append(one)
    return [
        EnvFile(one.path, one.account, left_out=reasons[one.path])
        if one.path in reasons
        else _alone(one, kept)
        for one in files
    ]


def _alone(one: EnvFile, kept: Iterable[EnvFile]) -> EnvFile:
    """The file, refused if another one that is no copy of it is the same account's."""
    others = [other.name for other in kept if other.account == one.account and other != one]
    if one.found is None or not others:
        return one
    problem = InvalidInput(
        f"{others[0]} is {one.account}'s too, and they differ",
        hint="Move the file that does not count out of the folder.",
    )
    return replace(one, refused=problem)


def _secrets(found: EnvImport, specs: Iterable[ExchangeSpec]) -> Pairs:
    by_name = {spec.name: spec for spec in specs}
    return frozenset(
        (exchange, name, value.reveal())
        for exchange, fields in found.credentials.items()
        for name, value in fields.items()
        if by_name[exchange].fields[name].secret
    )
