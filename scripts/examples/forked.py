"""`account-registry` without its start: each run is forked from a process that has imported it.

The examples of the documentation run the program more than a hundred times. A forked run has
the arguments, environment, folder and streams of its caller, like any other.
"""

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LENGTH = 8

_CALLER = """\
#!{python} -IS
import json, os, socket, sys
call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(call).to_bytes({length}, "big")], [0, 1, 2])
    server.sendall(call)
    sys.exit(int.from_bytes(server.recv(1), "big"))
"""


@contextmanager
def forked_program(path: Path, variables: dict[str, str]) -> Iterator[None]:
    """While it lasts, `path` is a program that does what `account-registry` does."""
    address = path.with_suffix(".socket")
    caller = _CALLER.format(python=sys.executable, address=str(address), length=_LENGTH)
    path.write_text(caller)
    path.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, str(address)], env=variables, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit("the program to fork from did not start")
        yield
    finally:
        process.terminate()
        process.communicate()


def _serve(address: str) -> None:
    _import_everything()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        caller, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _answer(caller)
        caller.close()


def _import_everything() -> None:
    import registry

    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _answer(caller: socket.socket) -> None:
    """Runs the program in a child, since it may become another one, and tells how it ended."""
    length, streams, _, _ = socket.recv_fds(caller, _LENGTH, 3)
    call = json.loads(caller.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
    child = os.fork()
    if child == 0:
        caller.close()
        arguments, variables, folder = call
        _become(arguments, variables, folder, streams)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    caller.sendall(bytes([status if status >= 0 else 128 - status]))
    os._exit(0)


def _become(
    arguments: list[str], variables: dict[str, str], folder: str, streams: list[int]
) -> None:
    for wanted, given in enumerate(streams):
        os.dup2(given, wanted)
        os.close(given)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[1:] = arguments
    from registry.commands import main

    main()


if __name__ == "__main__":
    _serve(sys.argv[1])
