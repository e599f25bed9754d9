"""Threat: Figures over HTTP.

Somebody without a login asks for the figures of the registry: from another machine, by a web page
in a browser here, or to keep the program busy.
"""

import http.client
import queue
import socket
import threading
from collections.abc import Iterator

import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.credentials import FIELDS
from support.world import World

from registry import Registry


@pytest.fixture
def port(world: World, database_url: str, no_key_configured: None) -> Iterator[int]:
    """Where figures of a registry with a credential are served, by an auditor's login."""
    world.account("bot", "aster")
    address: queue.Queue[str] = queue.Queue()
    with login_role(database_url, "registry_auditor") as role, Registry.open(role.address) as own:
        threading.Thread(
            target=own.serve_metrics,
            args=("127.0.0.1:0",),
            kwargs={"ready": address.put},
            daemon=True,
        ).start()
        yield int(address.get(timeout=30).rpartition(":")[2].partition("/")[0])


def get(port: int, method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, "/metrics", headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_they_hold_names_and_no_value(port: int) -> None:
    status, text = get(port)
    assert (status, 'account="bot"' in text) == (200, True)
    assert not [value for value in FIELDS["aster"].values() if value in text]


def test_a_client_that_hangs_keeps_no_other_waiting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as hanging:
        hanging.sendall(b"GET /metrics HTT")
        assert get(port)[0] == 200


def test_a_web_page_cannot_ask_by_a_name_of_its_own(port: int) -> None:
    assert get(port, Host="evil.example")[0] == 403
    assert get(port, Host=f"evil.example:{port}")[0] == 403
    assert get(port, Host=f"localhost:{port}")[0] == 200
    assert get(port, "POST")[0] == 405


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_nobody_listens_to_other_machines_unless_told(cli: CommandLine, listen: str) -> None:
    done = cli("metrics", "--listen", listen)
    assert (done.exit_status, "other machines could reach" in done.err) == (2, True)
    assert "--any-address" in done.err
