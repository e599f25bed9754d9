"""`account-registry` without its start-up: each run is forked from a preloaded process.

The examples of the documentation run the program more than a hundred times. A forked run gets
its caller's arguments, environment, folder and streams.
"""

import gc
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
    """Meanwhile `path` is a program that behaves like `account-registry`."""
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
    gc.freeze()  # a garbage collection in a forked process would copy all of it
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    callers: dict[int, socket.socket] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _tell_ended(callers))
    print("ready", flush=True)
    while True:
        caller, _ = listener.accept()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            os._exit(_run(caller))
        callers[child] = caller
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _import_everything() -> None:
    import registry

    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _tell_ended(callers: dict[int, socket.socket]) -> None:
    while callers:
        child, ended = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        status = os.waitstatus_to_exitcode(ended)
        with callers.pop(child) as caller:
            caller.sendall(bytes([status if status >= 0 else 128 - status]))


def _run(caller: socket.socket) -> int:
    """Runs the caller's request in this process; returns the exit code."""
    length, streams, _, _ = socket.recv_fds(caller, _LENGTH, 3)
    call = json.loads(caller.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
    sys.argv[1:], variables, folder = call
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for wanted, given in enumerate(streams):
        os.dup2(given, wanted)
        os.close(given)
    try:
        importlib.import_module("registry.commands").main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code if isinstance(end.code, int) else 0
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
