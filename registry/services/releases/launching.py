"""Starts a program with released credentials, in its environment or in a file in memory."""

import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from registry.catalog.specification import ExchangeSpec
from registry.catalog.variables import can_carry_a_credential
from registry.encryption.secret import Secret
from registry.errors import CommandNotFound, InvalidInput
from registry.hints import Hint, Option
from registry.services.releases.file_formats import FileFormat, written
from registry.services.releases.releases import Releases

ENV_FILE: Final = "REGISTRY_ENV_FILE"
"""The variable with the path of the file that holds all variables."""
_PIPE_CAPACITY: Final = 65_536


def find_program(name: str) -> str:
    """The path of a program, found in PATH as a shell does.

    Raises:
        CommandNotFound: it does not exist, or it is not executable.
    """
    path = shutil.which(name)
    if path is None:
        raise CommandNotFound(
            f"there is no program {name} that can be run",
            hint="Give its path, or check PATH. Nothing was released.",
        )
    return path


def short_name(program: str) -> str:
    """A program's file name, for the log; its arguments are left out, as they may hold secrets."""
    return Path(program).name


def variables(
    released: Releases, specs: Mapping[str, ExchangeSpec]
) -> tuple[dict[str, Secret], list[str]]:
    """The credentials as environment variables that bots expect, and the fields that have none.

    An adopted field whose variable is that of a known one, such as Api_Key, has none.

    Raises:
        InvalidInput: two exchanges share a variable, or a value cannot stand in one.
    """
    values: dict[str, Secret] = {}
    without: list[str] = []
    for exchange, credential in released.credentials.items():
        spec, own = specs[exchange], set[str]()
        # False comes first: the fields that the catalog knows.
        for name in sorted(credential.fields, key=lambda name: spec.field(name) is None):
            value, variable = credential.fields[name], _variable(spec, name)
            if not variable or variable in own:
                without.append(f"{name} of {exchange}")
                continue
            own.add(variable)
            if "\0" in value.reveal():
                raise InvalidInput(f"the field {name} of {exchange} cannot stand in a variable")
            if variable in values:
                raise InvalidInput(
                    f"two of the credentials are passed as {variable}",
                    hint=Hint("Say which exchanges are wanted with ", Option("exchange", ...), "."),
                )
            values[variable] = value
    return values, without


def _variable(spec: ExchangeSpec, name: str) -> str:
    """The variable of a field, also of an adopted one that the catalog does not know; or ""."""
    if (field := spec.field(name)) is not None:
        return field.env
    plain = re.sub(r"[^A-Z0-9]", "_", f"{spec.name}_{name}".upper())
    return plain if spec.built_in or can_carry_a_credential(spec.name, plain) else ""


def files(values: Mapping[str, Secret], file_format: FileFormat) -> dict[str, str]:
    """Writes the variables to files in memory, and returns the variables with their paths.

    Raises:
        InvalidInput: the format cannot carry a value; see `memory_file`.
    """
    if file_format == "files":
        return {f"{name}_FILE": memory_file(value.reveal()) for name, value in values.items()}
    return {ENV_FILE: memory_file(written(values, file_format))}


def memory_file(text: str) -> str:
    """Writes a text to a file that exists only in memory; returns its path.

    On Linux it can be read repeatedly (memfd_create(2)); elsewhere it is a pipe and can be
    read once. It stays open in this process, in the program that replaces it, and in that
    program's children.

    Raises:
        InvalidInput: the text exceeds a pipe's capacity.
    """
    content = text.encode()
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("registry-env", 0)
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        if len(content) > _PIPE_CAPACITY:
            raise InvalidInput("the credentials are too large for a pipe")
        descriptor, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        os.set_inheritable(descriptor, True)
    return f"/dev/fd/{descriptor}"


def as_the_first_process(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which systemd names the process that it started, for its child.

    They count for the process whose number they hold: sd_listen_fds(3), sd_watchdog_enabled(3).
    """
    ours = {name: environment.get(name) for name in ("LISTEN_PID", "WATCHDOG_PID")}
    return {name: str(os.getpid()) for name, pid in ours.items() if pid == str(os.getppid())}


def become(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replaces this process with the program (execve(2)).

    Raises:
        CommandNotFound: the system cannot execute it.
    """
    # Python ignores these signals, and ignored signals stay ignored across execve.
    names = [name for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), signal.SIG_DFL) for name in names}
    try:
        os.execve(program, list(arguments), dict(environment))  # noqa: S606 - without a shell
    except OSError as error:
        raise CommandNotFound(
            f"the program {program} cannot be run: {error.strerror}",
            hint="A script needs a first line such as #!/usr/bin/env python3.",
        ) from None
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
