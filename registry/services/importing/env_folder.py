"""Imports the env files of a folder, one account for each.

A file's content decides whether it is an account's: a template has no real value, a copy has
the secrets of another file. A name alone (`backup`, `example`) excludes no file.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from registry import values
from registry.catalog.specification import ExchangeSpec
from registry.encryption.fingerprint import normal_form
from registry.encryption.secret import Secret
from registry.errors import (
    InvalidCredential,
    InvalidInput,
    NothingToImport,
    RegistryError,
    SecretInUse,
)
from registry.hints import Hint, Option
from registry.machine import text_of_file
from registry.services.changes.store_many import AccountInput, refuse
from registry.services.importing.config_files import with_freqtrade
from registry.services.importing.elsewhere import MAX_FILE
from registry.services.importing.env_files import (
    EnvImport,
    find_credentials,
    read_env_file,
)
from registry.services.importing.names import (
    SPARE,
    account_of,
    is_secret_name,
    refuse_names,
    said_by_secrets,
)
from registry.services.importing.options import ImportOptions, import_inputs

_ANY_ENV: Final = re.compile(r"\.env|.*\.env|\.env[._-].*|.*\.env\..*")


Pair = tuple[str, str, str]
"""(exchange, field, value) of a key field; held for comparing only."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The context in which the files are judged."""

    specs: Mapping[str, ExchangeSpec]
    held: Callable[[str], Collection[str]]
    """Account -> the exchanges for which it has credentials."""
    existing: Collection[str]
    """The names of the existing accounts."""
    options: ImportOptions


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A file of the folder, and the plan for it."""

    path: Path
    account: str | None
    found: EnvImport | None = None
    left_out: str | None = None
    """The reason why it is left out."""
    refused: RegistryError | None = None
    """The error that keeps the file out while it is like this."""

    @property
    def is_taken(self) -> bool:
        """Whether its credentials are imported."""
        return self.found is not None and self.refused is None

    @property
    def name(self) -> str:
        """The file's name in the folder."""
        return self.path.name


def survey(folder: Path, known: Surroundings) -> list[EnvFile]:
    """Judges each env file of a folder; reads no other file and changes nothing.

    Raises:
        InvalidInput: the folder cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _ANY_ENV.fullmatch(path.name))
    except OSError as error:
        raise InvalidInput(f"cannot read {folder}: {error.strerror}") from None
    files = [_examine(path, known) for path in paths if path.is_file()]
    return _without_copies(files, known)


def chosen(files: Iterable[EnvFile], *, create: bool) -> list[AccountInput]:
    """The inputs of the importable files; with `create`, accounts may be created."""
    return [
        AccountInput(
            file.name,
            file.account,
            import_inputs(file.found.credentials),
            file.found.account(file.account) if create else None,
        )
        for file in files
        if file.account is not None and file.found is not None and file.is_taken
    ]


def with_problems(files: Iterable[EnvFile], problems: Mapping[str, RegistryError]) -> list[EnvFile]:
    """The files; a file with a problem in the registry becomes a refused one."""
    return [
        replace(file, refused=problems[file.name]) if file.name in problems else file
        for file in files
    ]


def check_all(files: Collection[EnvFile]) -> None:
    """Raises one error if no file is taken.

    Raises:
        RegistryError: there are files, and all of them are refused.
        NothingToImport: there is no file of an account.
    """
    if not any(file.is_taken for file in files):
        refuse({file.name: file.refused for file in files if file.refused})
        raise NothingToImport("no env file of the folder holds a complete credential")


def _examine(path: Path, known: Surroundings) -> EnvFile:
    account = account_of(path)
    if account is None:
        return EnvFile(path, None, left_out="its name says no account")
    try:
        specs = known.specs.values()
        variables = with_freqtrade(read_env_file(path, specs), specs)
    except InvalidInput as problem:
        is_encrypted = isinstance(problem, InvalidCredential)
        if (is_encrypted or _mentions(path, known)) and not SPARE.search(path.name):
            return EnvFile(path, account, refused=problem)
        return EnvFile(path, account, left_out=f"no env file: {problem.message}")
    try:
        return EnvFile(path, account, _found(variables, path, account, known))
    except NothingToImport as problem:
        why = problem.message.removeprefix("the file holds ")
        if _is_template(variables, known):
            why = "a template: no real value in it"
    except RegistryError as problem:
        if not _is_template(variables, known):
            return EnvFile(path, account, refused=problem)
        why = "a template: no real secret in it"
    return EnvFile(path, account, left_out=why)


def _found(
    variables: Mapping[str, Secret], path: Path, account: str, known: Surroundings
) -> EnvImport:
    try:
        values.account_name(account)
        found = find_credentials(variables, known.specs.values(), held=known.held(account))
    except NothingToImport:
        raise
    except RegistryError as problem:
        hint = problem.hint or "Correct the file, or move it out of the folder."
        raise type(problem)(problem.message, hint=hint) from None
    if not known.options.allow_other_account:
        said = said_by_secrets(variables, path.name)
        refuse_names(account, said, known.existing, known.specs)
    return found


def _mentions(path: Path, known: Surroundings) -> bool:
    """Whether an improper env file mentions a variable of an exchange nevertheless."""
    try:
        text = text_of_file(path, limit=MAX_FILE)
    except InvalidInput:
        return False
    is_text = "\0" not in text
    return is_text and any(
        env in text for spec in known.specs.values() for env in spec.variables.values()
    )


def _is_template(variables: Mapping[str, Secret], known: Surroundings) -> bool:
    specs = known.specs.values()
    secret = {field.env for spec in specs for field in spec.fields.values() if field.secret}
    exchanges = {spec.name.upper() for spec in specs}
    return not any(
        (name in secret or (is_secret_name(name) and name.partition("_")[0] in exchanges))
        and not values.is_placeholder(value.reveal())
        for name, value in variables.items()
    )


def _without_copies(files: Sequence[EnvFile], known: Surroundings) -> list[EnvFile]:
    # Files of existing accounts come first, then the plainest names; later files are the copies.
    order = sorted(
        (file for file in files if file.found),
        key=lambda file: (
            file.account not in known.existing,
            bool(SPARE.search(file.name)),
            len(file.name),
            file.name,
        ),
    )
    changed: dict[Path, EnvFile] = {}
    kept: list[EnvFile] = []
    holders: dict[Pair, list[int]] = defaultdict(list)
    for file in order:
        pairs = _pairs(file, known)
        alike = sorted({number for pair in pairs for number in holders[pair]})
        like = (_like(file, kept[number], known) for number in alike)
        changed[file.path] = next((found for found in like if found), file)
        if changed[file.path] is file:
            for pair in pairs:
                holders[pair].append(len(kept))
            kept.append(file)
    return [_alone(changed.get(file.path, file), kept) for file in files]


def _pairs(file: EnvFile, known: Surroundings) -> list[Pair]:
    return [
        (exchange, name, normal_form(name, value.reveal()))
        for exchange, fields in (file.found.credentials if file.found else {}).items()
        for name, value in known.specs[exchange].keys(fields).items()
    ]


def _like(file: EnvFile, other: EnvFile, known: Surroundings) -> EnvFile | None:
    """The verdict on a file that shares secrets with another file; None if it shares none."""
    assert file.found is not None  # noqa: S101 - only such files are compared
    assert other.found is not None  # noqa: S101
    equal = {
        exchange: fields
        for exchange, mine in file.found.credentials.items()
        if (theirs := other.found.credentials.get(exchange))
        and (fields := _equal_keys(known.specs[exchange], mine, theirs))
    }
    if not equal:
        return None
    is_whole = all(
        equal.get(exchange) == known.specs[exchange].keys(mine).keys()
        for exchange, mine in file.found.credentials.items()
    )
    is_spare = bool(SPARE.search(file.name))
    allowed = known.options.allow_shared_secret
    if is_spare or (is_whole and not allowed):
        what = "a copy" if is_whole else "an older or newer copy"
        return replace(file, found=None, left_out=f"{what} of {other.name}: the same secrets")
    if allowed or file.account == other.account:
        return None
    exchange, fields = next(iter(equal.items()))
    return replace(file, refused=_shared(file, other, f"{', '.join(fields)} for {exchange}"))


def _shared(file: EnvFile, other: EnvFile, what: str) -> RegistryError:
    return SecretInUse(
        f"{other.name} has the same {what}",
        hint=Hint(
            f"If {file.account} and {other.account} are both to hold it, add ",
            Option("allow_shared_secret"),
            ".",
        ),
    )


def _equal_keys(
    spec: ExchangeSpec, mine: Mapping[str, Secret], theirs: Mapping[str, Secret]
) -> Collection[str]:
    """The key fields with equal values, unless public values show different accounts."""
    own, other = (
        {n: normal_form(n, value.reveal()) for n, value in {**spec.defaults(), **fields}.items()}
        for fields in (mine, theirs)
    )
    elsewhere = any(
        other.get(name, value) != value for name, value in spec.telling_apart(own).items()
    )
    equal = {name: None for name, value in spec.keys(own).items() if other.get(name) == value}
    return {} if elsewhere else equal.keys()


def _alone(file: EnvFile, kept: Iterable[EnvFile]) -> EnvFile:
    """The file, refused if another file that differs from it is for the same account."""
    others = [other.name for other in kept if other.account == file.account and other != file]
    if file.found is None or file.refused is not None or not others:
        return file
    problem = InvalidInput(
        f"{others[0]} is {file.account}'s too, and they differ",
        hint="Move the file that does not count out of the folder.",
    )
    return replace(file, refused=problem)
