"""Threat: Leaking environment.

What `run` hands to a program beside its credentials.
"""

import os
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cli import CommandLine
from support.running import borrowing_bot, run, show

from registry.catalog.catalog import built_in_exchanges
from registry.services.launching import scrubbed

ENVS = sorted({f.env for spec in built_in_exchanges().values() for f in spec.fields.values()})


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


@given(
    st.sampled_from(ENVS),
    st.sampled_from(["", "_MAIN_BOT", "_2", "_OLD"]),
    st.sampled_from(["", "MAIN_BOT_", "X_"]),
)
def test_no_variable_of_any_account_is_left(env: str, suffix: str, prefix: str) -> None:
    name = prefix + env + suffix
    with patch.dict(os.environ, {name: "value", "KEPT": "yes"}, clear=True):
        assert scrubbed(()) == ({"KEPT": "yes"}, [name])
        assert scrubbed({name})[1] == []


def test_nothing_that_is_not_the_programs_is_passed_on(bot: CommandLine) -> None:
    planted = {
        "ASTER_API_KEY": "other",
        "ASTER_SECRET_KEY_MAIN_BOT": "other",
        "MAIN_BOT_ASTER_SECRET_KEY": "other",
        "PARADEX_MNEMONIC": "other",
        "API_KEY_PRIVATE_KEY_2": "other",
        "PGPASSWORD": "other",
        "CREDENTIAL_ENCRYPTION_KEY_FILE": "",
        "REGISTRY_LOG_LEVEL": "error",
    }
    environment, _ = run(bot, *show(), MY_SETTING="kept", **planted)
    assert environment.keys() & {*planted, "CREDENTIAL_ENCRYPTION_KEY", "DATABASE_URL"} == set()
    assert environment["MY_SETTING"] == "kept"
    assert bot.master_key not in environment.values()
