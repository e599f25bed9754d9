"""Files in memory: each reader gets every value as it was, or the value is refused by name."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from support.env_readers import read_by_docker, read_by_shell, read_by_systemd

from registry.encryption.secret import Secret
from registry.errors import CommandNotFound, InvalidInput
from registry.services.releases.file_formats import FileFormat, written
from registry.services.releases.launching import become, files, memory_file

ODD = [*"'\"\\$`}#\n\r\t =!%;&é密\ufeff\uffff\x1b~*", "${", "${HOME}", "$(id)", " #", "\\'"]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.lists(st.sampled_from(ODD) | st.text(LETTERS), max_size=12).map("".join)
VALUES = st.lists(TEXTS, min_size=1, max_size=60).map(
    lambda texts: {f"V{number}_KEY": text for number, text in enumerate(texts)}
)
Reader = Callable[[str, list[str]], dict[str, str]]


def _text(path: str) -> str:
    return Path(path).read_bytes().decode()


READERS: list[tuple[FileFormat, Reader]] = [
    ("dotenv", lambda path, _: {n: v or "" for n, v in dotenv_values(path).items()}),
    (
        "dotenv",
        lambda path, _: {n: v or "" for n, v in dotenv_values(path, interpolate=False).items()},
    ),
    ("shell", lambda path, names: read_by_shell("sh", path, names)),
    ("shell", lambda path, names: read_by_shell("bash", path, names)),
    ("shell", lambda path, _: read_by_systemd(_text(path))),
    ("docker", lambda path, _: read_by_docker(Path(path).read_bytes())),
    ("json", lambda path, _: json.loads(_text(path))),
]


@pytest.mark.parametrize(("file_format", "reader"), READERS)
@given(values=VALUES)
def test_a_reader_gets_what_was_written_or_it_is_refused_by_name(
    file_format: FileFormat, reader: Reader, values: dict[str, str]
) -> None:
    secrets = {name: Secret(value) for name, value in values.items()}
    try:
        text = written(secrets, file_format)
    except InvalidInput as refused:
        names = refused.message.partition(" value of ")[2].partition(":")[0].split(", ")
        secrets = {name: value for name, value in secrets.items() if name not in names}
        assert len(secrets) == len(values) - len(names)
        text = written(secrets, file_format)
    path = memory_file(text)
    try:
        read = reader(path, list(secrets))
        assert read == {name: value.reveal() for name, value in secrets.items()}
    finally:
        os.close(int(Path(path).name))


@given(values=VALUES)
def test_a_file_for_each_variable_holds_it_to_the_byte(values: dict[str, str]) -> None:
    paths = files({name: Secret(value) for name, value in values.items()}, "files")
    try:
        read = {name: Path(path).read_bytes() for name, path in paths.items()}
        assert read == {f"{name}_FILE": value.encode() for name, value in values.items()}
    finally:
        for path in paths.values():
            os.close(int(Path(path).name))


@pytest.mark.parametrize(
    ("file_format", "value"),
    [("dotenv", "pass${word}"), ("dotenv", "a\rb"), ("docker", "a\nb"), ("shell", "a\x1bb")],
)
def test_what_a_format_cannot_carry_is_refused_without_the_value(
    file_format: FileFormat, value: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        written({"A_KEY": Secret("k"), "B_KEY": Secret(value)}, file_format)
    assert f"a {file_format} file cannot carry the value of B_KEY" in refused.value.message
    assert value not in refused.value.message


def test_a_program_that_cannot_be_run_changes_no_signal(tmp_path: Path) -> None:
    """With SIGPIPE's default, the next connection that a peer closes would end the process."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with pytest.raises(CommandNotFound):
        become(str(tmp_path / "missing"), ["missing"], {})
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
