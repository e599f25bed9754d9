"""A secret text cannot appear anywhere by accident."""

import copy
import json
import logging
import pickle
import traceback

import orjson
import pytest

from registry.commands._logging import OneLine
from registry.encryption.secret import Secret

CANARY = "canary-7f3a9b"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{:>40}".format, "{!r}".format, ascii])
def test_no_way_of_printing_shows_it(show: object) -> None:
    """Pain 21: redaction by walking structures fails; a type that cannot print does not."""
    assert callable(show)
    assert CANARY not in show(Secret(CANARY))
    assert "Secret(***)" in show(Secret(CANARY))


@pytest.mark.parametrize("show", [repr, str, "{}".format, ascii])
def test_no_structure_around_it_shows_it(show: object) -> None:
    assert callable(show)
    assert CANARY not in show([{"k": Secret(CANARY)}])


def test_percent_formatting_and_logging_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").error("key %s %r", Secret(CANARY), {"k": Secret(CANARY)})
    assert "Secret(***)" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "serialise",
    [
        pickle.dumps,
        copy.deepcopy,
        copy.copy,
        json.dumps,
        orjson.dumps,
        vars,
        dict,
        list,
        bytes,
        len,
    ],
)
def test_nothing_serialises_it(serialise: object) -> None:
    assert callable(serialise)
    with pytest.raises(TypeError):
        serialise(Secret(CANARY))


def test_the_last_resort_of_json_does_not_show_it() -> None:
    assert CANARY not in json.dumps({"k": Secret(CANARY)}, default=str)


def test_a_structured_log_line_does_not_show_it() -> None:
    record = logging.makeLogRecord({"msg": "loaded", "k": Secret(CANARY), "n": 1})
    for as_json in (True, False):
        line = OneLine(as_json=as_json).format(record)
        assert CANARY not in line
        assert "defect" in line


def test_a_traceback_with_local_variables_does_not_show_it() -> None:
    def fails(key: Secret) -> None:
        raise ValueError(key)

    try:
        fails(Secret(CANARY))
    except ValueError as error:
        text = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert "fails" in text
    assert f"key = {Secret(CANARY)}" in text
    assert "Secret(***)" in text


def test_equal_texts_are_equal_secrets_and_nothing_else_is() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert bool(Secret("a"))
    assert not Secret("")
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_only_reveal_gives_the_text() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert not hasattr(Secret(CANARY), "__dict__")


def test_what_other_serialisers_ask_for_does_not_show_it() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        Secret(CANARY).__getstate__()


def test_half_a_character_is_compared_and_raises_nothing_that_shows_it() -> None:
    assert Secret(f"{CANARY}\ud800") == Secret(f"{CANARY}\ud800")
    assert Secret(f"{CANARY}\ud800") != Secret(CANARY)
