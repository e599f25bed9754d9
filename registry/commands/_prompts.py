"""Prompts on a terminal, for secrets and other values."""

import contextlib
import sys
import termios
from collections.abc import Iterator

from registry.errors import InvalidInput


@contextlib.contextmanager
def echo(*, on: bool) -> Iterator[None]:
    """Shows what is typed, or does not, before, between and after prompts.

    What was typed before it begins and ends answers no prompt.
    """
    if not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    wanted = termios.tcgetattr(terminal)
    wanted[3] = wanted[3] | termios.ECHO if on else wanted[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, wanted)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def ask(prompt: str, *, hidden: bool, ended: str) -> str:
    """The answer to a prompt.

    Raises:
        InvalidInput: the input ended; `ended` says what that means.
    """
    from getpass import getpass

    try:
        if hidden:
            return getpass(prompt)
        with echo(on=True):
            sys.stderr.write(prompt)
            sys.stderr.flush()
            answer = sys.stdin.readline()
    except EOFError:
        answer = ""
    if not answer:
        raise InvalidInput(f"the input ended; {ended}")
    return answer.rstrip("\n")
