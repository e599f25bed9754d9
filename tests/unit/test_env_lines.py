"""Env files with a truncated value: refused by line and variable, without showing the value."""

import pytest

from registry.errors import InvalidInput
from registry.services.importing.env_lines import assignments, can_be_shown

SECRET = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="
KEY = "0x" + "9f3a" * 16


def names(text: str) -> list[str]:
    return [assignment.name for assignment in assignments(text, "bot.env")]


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        names(text)
    for start in range(len(SECRET) - 8):
        assert SECRET[start : start + 8] not in f"{refused.value.message}{refused.value.hint}"
    return refused.value.message


@pytest.mark.parametrize("cut", [8, 20, 30, 36, 40, 41, 42, 43])
def test_a_value_that_goes_on_in_the_next_line_is_refused_by_its_variable(cut: int) -> None:
    text = f"A=1\nBACKPACK_SECRET_KEY={SECRET[:cut]}\n{SECRET[cut:]}\nB=2\n"
    message = refusal(text)
    assert message.startswith("bot.env: line 3 is not NAME=VALUE")
    if cut < 43:
        assert message.endswith(", and may be the rest of BACKPACK_SECRET_KEY (line 2)")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"K=\n{SECRET}\n", "line 2 is not NAME=VALUE, and may be the rest of K (line 1)"),
        (f"K={SECRET[:20]}\\\n{SECRET[20:]}\n", "the value of K (line 1) ends in a backslash"),
        (f"K={SECRET[:20]}\\\nL={SECRET[20:]}\n", "the value of K (line 1) ends in a backslash"),
        (f"K='{SECRET}\nL=1\n", "line 1 is not NAME=VALUE"),
        (f'K="{SECRET}\nL="\n', "does not end where its quotation marks were to close"),
        (f"K='{SECRET}\nLOG=info\nM='x\n", "line 1 is not NAME=VALUE"),
        (f"K={SECRET}'\n", "the value of K (line 1) has quotation marks that do not close"),
        (f'\n\n  K={SECRET}"\n', "the value of K (line 3) has quotation marks"),
        (f"K=`{SECRET}`\n", "has quotation marks that do not close, or are none of an env file"),
        (f"K=`{SECRET[:20]}\n{SECRET[20:]}`\n", "the value of K (line 1) has quotation marks"),
        (f"K=\u201c{SECRET}\u201d\n", "the value of K (line 1) has quotation marks"),
        (f"{SECRET}\n", "line 1 is not NAME=VALUE"),
        (f"K: {SECRET}\n", "line 1 is not NAME=VALUE"),
        (f"=  {SECRET}\n", "line 1 is not NAME=VALUE"),
        (f"a/b+{SECRET}x\n", "line 1 is not NAME=VALUE"),
        (f"A=1\n\n\nexport {SECRET}\n", "line 4 is not NAME=VALUE"),
        (f"A=1\r\n# x\r\n{SECRET[:-1]}\r\n", "line 3 is not NAME=VALUE"),
    ],
)
def test_what_does_not_end_where_it_seems_to_is_refused(text: str, why: str) -> None:
    assert why in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        f"K={SECRET}\nPROXY=\n",
        f"K={KEY}\nTESTNET=\nX=\nLOG_LEVEL=\n",
        f"K={'a1' * 32}\nASTER_SECRET_KEY=\n",
        "K=abc # what it is\nL=d=e==\n",
        'GREETING=say "hi"\n',
        "MAX='a\\\\'\n",
        "export PATH\nA=1\n",
        "debug=true\nhttp.proxy=x\nmy-var=1\nmyVar=1\n",
        'PEM="-----BEGIN PRIVATE KEY-----\nABCD=\nEF==\n-----END PRIVATE KEY-----"\n',
        "JSON='{\"a\":\n 1}'\n",
    ],
)
def test_what_is_an_assignment_is_read(text: str) -> None:
    assert names(text)


def test_a_line_has_the_number_that_editors_show() -> None:
    text = "# a\n\nA=1\r\n\r\n\r\nB='x\ny'\n\n  C=2\n"
    found = [
        (assignment.name, assignment.number, assignment.value)
        for assignment in assignments(text, "x")
    ]
    assert found == [("A", 3, "1"), ("B", 6, "x\ny"), ("C", 9, "2")]


@pytest.mark.parametrize(
    "name", ["A", "DEBUG", "OTHER", "LOG_LEVEL", "TELEGRAM_BOT_TOKEN", "AWS_S3_KEY", "HTTP_2", "db"]
)
def test_a_variable_s_name_is_shown(name: str) -> None:
    assert can_be_shown(name)


@pytest.mark.parametrize(
    "name",
    [
        *(SECRET[start : start + 9] for start in range(0, 30, 3)),
        "DEADBEEF0123",
        "JBSWY3DPEHPK3PXP",
        "correcthorsebattery",
        "9AB",
        "A-B",
        "A_9F3A9F3A",
        "",
    ],
)
def test_what_may_be_a_piece_of_a_secret_is_not_shown(name: str) -> None:
    assert not can_be_shown(name)
