"""Runs the user's own command that prints a key, as password managers offer one."""

import contextlib
import os
import selectors
import shlex
import subprocess
import time
from typing import Final

from registry.encryption.secret import Secret
from registry.errors import RegistryError

_SECONDS: Final = 30
_MAX_BYTES: Final = 65_536


def output_of(command: str, variable: str, failed: type[RegistryError]) -> Secret:
    """What the command prints on standard output; there is no shell in between.

    Its own messages are dropped, since nobody knows what a command says there. For the same
    reason errors name the variable and not the command.

    Raises:
        failed: it cannot be started, fails, takes too long, or prints nothing or too much.
    """
    what = f"the command in {variable}"
    hint = "Run it by hand to see why. It must print the key, and nothing else."
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, split into words
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise failed(f"{what} cannot be started: {error.strerror}", hint=hint) from None
    except ValueError:
        raise failed(
            f"{what} cannot be split into words", hint="A quotation mark is not closed."
        ) from None
    deadline = time.monotonic() + _SECONDS
    try:
        printed = _printed(process, deadline)
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise failed(f"{what} did not end within {_SECONDS} seconds", hint=hint) from None
    finally:
        # Closed first: a child of the command may keep the other end open.
        if process.stdout is not None:
            process.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    if len(printed) > _MAX_BYTES:
        raise failed(f"{what} printed more than a key", hint=hint)
    if status != 0:
        how = f"exit code {status}" if status > 0 else f"signal {-status}"
        raise failed(f"{what} ended with {how}", hint=hint)
    text = printed.decode(errors="replace").strip()
    if not text:
        raise failed(f"{what} printed nothing", hint=hint)
    return Secret(text)


def _printed(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The output up to its end or a little beyond the limit, for as long as there is time."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    printed = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(printed) <= _MAX_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise subprocess.TimeoutExpired(process.args, _SECONDS)
            piece = os.read(process.stdout.fileno(), _MAX_BYTES)
            if not piece:
                return printed
            printed += piece
    process.kill()
    return printed
