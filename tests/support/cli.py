"""Runs the command line as a function (fast) or as a process (as its users do)."""

import functools
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The models are created before a test freezes time: pydantic does not know the frozen class.
import registry.events.codec  # noqa: F401
from registry.commands._app import build
from registry.encryption.keyring import generate_master_key
from support.credentials import FIELDS


@dataclass(frozen=True, slots=True)
class Result:
    """The output of a run, and its exit code."""

    exit_status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The data of a `--json` run."""
        return json.loads(self.out)["data"]

    @property
    def error(self) -> Any:
        """The error of a `--json` run."""
        return json.loads(self.err.splitlines()[-1])["error"]


# Created once, as in a process, since it takes as long as a small verb.
_program = functools.cache(build)

PROJECT = Path(__file__).resolve().parents[2]


class CommandLine:
    """The command line with an environment of its own."""

    def __init__(self, database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.master_key = generate_master_key().reveal()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATABASE_URL": database_url,
            "COLUMNS": "200",
            "CREDENTIAL_ENCRYPTION_KEY": self.master_key,
            "REGISTRY_CONNECT_WAIT": "0",
            "REGISTRY_CONFIG_DIR": str(folder / "config"),
            "REGISTRY_DATA_DIR": str(folder / "data"),
        }
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: str | bytes = "", **environment: str) -> Result:
        """Runs a verb in this process."""
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        err = io.TextIOWrapper(
            io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True
        )
        with self._monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in ("DATABASE_URL", "CREDENTIAL_ENCRYPTION_KEY_FILE"):
                patch.delenv(name, raising=False)
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
            try:
                _program()(list(arguments), prog_name="account-registry")
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
        return Result(status, _text(out), _text(err))

    def store(
        self,
        account: str,
        exchange: str,
        *options: str,
        verb: str = "add-credential",
        **changed: object,
    ) -> Result:
        """Stores a made-up credential of an exchange, with some fields changed.

        The values are the same for all accounts; `--allow-shared-secret` permits that.
        """
        fields = json.dumps({**FIELDS[exchange], **changed})
        given = ("--from-json", "-", "--allow-shared-secret")
        return self(verb, account, exchange, *given, *options, stdin=fields)

    def process(
        self,
        *arguments: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        **environment: str,
    ) -> Result:
        """Runs a verb in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "registry.commands", *arguments],
            input=stdin,
            capture_output=True,
            env={**self.environment, **environment},
            cwd=cwd or PROJECT,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def file(self, name: str, text: str) -> str:
        """Writes a file in the test's folder; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


def _text(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
