"""A proxy for the database that can go silent, or cut a connection at its COMMIT."""

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before commit", "after commit"]

_COMMIT = b"COMMIT\0"
"""In the client's bytes the statement, in the server's bytes the tag of its success."""


class Proxy:
    """Forwards everything, and cuts one connection at a set moment."""

    def __init__(self, address: str) -> None:
        upstream = conninfo_to_dict(address)
        self._host = str(upstream.get("host") or "localhost")
        self._port = int(upstream.get("port") or 5432)
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self.address = make_conninfo(address, host=self._folder.name, port=5432, sslmode="disable")
        self.cut: Moment | None = None
        """The moment to cut the next connection; unset after the cut."""
        self.cut_is_silent = False
        """Instead of a cut, all current connections go silent."""
        self.bytes_left: int | None = None
        """If set, everything goes silent after so many bytes from the server."""
        self.refusals = 0
        """The number of connections to refuse after a cut."""
        self.connections = 0
        self.round_trips = 0
        """The number of times that the client spoke after the server."""
        self._client_speaks = False
        self._passing = threading.Event()
        self._passing.set()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._folder.name) / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def go_silent(self, *, new_ones_too: bool = True) -> None:
        """Forwards nothing any more; connections stay open, and new ones are accepted.

        With `new_ones_too=False` only current connections go silent.
        """
        self._passing.clear()
        if not new_ones_too:
            self._passing = threading.Event()
            self._passing.set()

    def speak_again(self) -> None:
        """Forwards the bytes that came meanwhile, and all further bytes."""
        self._passing.set()

    def refuse_all(self) -> None:
        """Ends all connections, and refuses new ones, as while a server is away."""
        self.refusals = 1_000_000
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve_again(self) -> None:
        """Accepts connections again."""
        self.refusals = 0

    def close(self) -> None:
        """Accepts no more connections, and lets the silent ones end."""
        self._passing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.cut is None and self.refusals:
                self.refusals -= 1
                client.close()
                continue
            server = self._connect()
            self._open += [client, server]
            for source, target, from_client in ((client, server, True), (server, client, False)):
                arguments = (source, target, from_client, self._passing)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        from_client: bool,
        passing: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                passing.wait()
                if self.bytes_left is not None and not from_client:
                    self.bytes_left -= len(chunk)
                    if self.bytes_left < 0:
                        self.go_silent()
                        passing.wait()
                self.round_trips += from_client and not self._client_speaks
                self._client_speaks = from_client
                if self._is_the_moment(chunk, from_client=from_client):
                    self.cut = None
                    if not self.cut_is_silent:
                        break
                    self.go_silent(new_ones_too=False)
                    passing.wait()
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_the_moment(self, chunk: bytes, *, from_client: bool) -> bool:
        moment = "before commit" if from_client else "after commit"
        return self.cut == moment and _COMMIT in chunk
