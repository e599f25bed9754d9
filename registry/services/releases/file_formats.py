"""A file with credentials, in the format of the program that reads it.

Each reader has rules of its own. A value that one of them would change is not written: the error
names its variable.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias

from registry.encryption.secret import Secret
from registry.errors import InvalidInput

FileFormat: TypeAlias = Literal["dotenv", "shell", "docker", "json", "files"]
"""dotenv: python-dotenv and its like; shell: sh, bash and systemd's EnvironmentFile=;
docker: `docker run --env-file`; json: an object; files: a file for each variable."""

_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9_@%+:,./=-]+")
_SPECIAL: Final = re.compile(r'[\\"`$]')
"""What a backslash stands before, in double quotes."""
# systemd refuses control characters and what Unicode calls noncharacters.
_NOT_IN_SHELL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\ufdd0-\ufdef\ufeff]"
    "|[" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)) + "]"
)
_LONGEST_LINE: Final = 65_535
"""In bytes; docker reads lines by Go's bufio.Scanner."""


def written(values: Mapping[str, Secret], file_format: FileFormat) -> str:
    """The text of a file with these variables.

    Raises:
        InvalidInput: the format cannot carry a value.
    """
    plain = {name: value.reveal() for name, value in values.items()}
    write, changed = _FORMATS[file_format]
    text = write(plain)
    if names := ", ".join(changed(plain, text)):
        raise InvalidInput(
            f"a {file_format} file cannot carry the value of {names}: its readers would change it",
            hint="The format json carries every value.",
        )
    return text


def _dotenv(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    # Older readers take \\' for a quotation mark also where the value ends.
    if _PLAIN_VALUE.fullmatch(value) or value.endswith("\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _changed_by_dotenv(values: Mapping[str, str], text: str) -> list[str]:
    from dotenv import dotenv_values

    # It expands ${…} in quotes of any kind, and reads every line end as \n.
    read = dotenv_values(stream=io.StringIO(text, newline=None))
    return [name for name, value in values.items() if read.get(name) != value]


def _shell(values: Mapping[str, str]) -> str:
    # POSIX, section 2.2.3; systemd.exec(5) has the same rules for double quotes.
    escaped = {name: _SPECIAL.sub(r"\\\g<0>", value) for name, value in values.items()}
    return "".join(f'{name}="{value}"\n' for name, value in escaped.items())


def _changed_by_shell(values: Mapping[str, str], _text: str) -> list[str]:
    return [name for name, value in values.items() if _NOT_IN_SHELL.search(value)]


def _docker(values: Mapping[str, str]) -> str:
    # https://github.com/docker/cli/blob/master/pkg/kvfile: no quotes, no escapes.
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _changed_by_docker(values: Mapping[str, str], _text: str) -> list[str]:
    return [
        name
        for name, value in values.items()
        if re.search("[\r\n]", value) or len(f"{name}={value}".encode()) > _LONGEST_LINE
    ]


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


_FORMATS: Final[
    Mapping[
        str,
        tuple[
            Callable[[Mapping[str, str]], str], Callable[[Mapping[str, str], str], Iterable[str]]
        ],
    ]
] = {
    "dotenv": (_dotenv, _changed_by_dotenv),
    "shell": (_shell, _changed_by_shell),
    "docker": (_docker, _changed_by_docker),
    "json": (_json, lambda _values, _text: ()),
}
