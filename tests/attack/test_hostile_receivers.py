"""Threat: Hostile receiver.

A receiver of alerts, or somebody who answers in its place, wants to stop the alerts of others, to
be sent somewhere else, to fill memory, or to learn more than names.
"""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from support.receivers import (
    SECRET,
    Receiver,
    answers,
    babbles,
    continues,
    drips,
    floods,
    hangs,
    receiving,
)

from registry.encryption.secret import Secret
from registry.services.alerts.webhook import Webhook


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def sent(receiver: Receiver, seconds: float = 1) -> str | None:
    """What becomes of a message."""
    webhook = Webhook.to(Secret(receiver.url), Secret(SECRET), seconds, plain_http=False)
    return webhook.send("event-1", json.dumps({"id": "event-1"}).encode())


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (hangs, "no answer within 1 seconds"),
        (drips, "no answer within 1 seconds"),
        (continues, "no answer within 1 seconds"),
        (babbles, "no answer in HTTP: BadStatusLine"),
        (answers(500), "HTTP 500"),
        (answers(404), "HTTP 404"),
    ],
    ids=["hangs", "drips", "continues", "babbles", "500", "404"],
)
def test_a_receiver_that_misbehaves_is_left_after_its_seconds(
    receiver: Receiver, behave: Callable[[BaseHTTPRequestHandler], None], said: str
) -> None:
    receiver.behave = behave
    started = time.monotonic()
    assert sent(receiver) == said
    assert time.monotonic() - started < 20


def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    receiver.behave = floods
    assert sent(receiver) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(receiver: Receiver, status: int) -> None:
    with receiving() as other:
        receiver.behave = answers(status, Location=other.url)
        assert sent(receiver) == f"HTTP {status}: it redirects, and that is not followed"
        assert (receiver.asked, other.asked) == (1, 0)


def test_a_receiver_that_is_not_there_is_said_without_its_path() -> None:
    with receiving() as gone:
        pass
    said = sent(gone)
    assert said == "no connection: Connection refused"


def test_who_answers_without_the_certificate_of_the_name_gets_nothing(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")
    webhook = Webhook.to(Secret(url), Secret(SECRET), 2, plain_http=False)
    said = webhook.send("event-1", b"{}")
    assert said is not None
    assert receiver.asked == 0
