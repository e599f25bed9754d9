"""The texts that templates put in the place of a real value."""

import pytest

from registry.values import is_placeholder


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "your_api_key_here",
        "YOUR-API-KEY",
        "your private key",
        "<your_key>",
        "{api_key}",
        '"changeme"',
        "ChangeMe",
        "change-me",
        "insert_here",
        "paste_it_here",
        "xxx",
        "xxxxxxxxxxxxxxxx",
        "...",
        "0x",
        "0x...",
        "***",
        "none",
        "NULL",
        "TODO",
        "placeholder",
        "example",
        "test_api_key",
        "dummy-secret",
        "fakeKey",
        "TODO: add key",
        "sk-your-key",
        "changeit",
    ],
)
def test_a_template_s_value_is_a_placeholder(value: str) -> None:
    """Pain 3: placeholders of a template must not be stored as keys."""
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "prod",
        "0x0badc0de",
        "k",
        "xylophone",
        "a.b",
        "your_" + "f" * 60,
        "nonexistent",
        "x1",
        "test",
        "demo",
    ],
)
def test_a_value_that_can_be_real_is_none(value: str) -> None:
    assert not is_placeholder(value)
