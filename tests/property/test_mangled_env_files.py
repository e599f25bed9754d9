"""Env files with a truncated, wrapped or misquoted secret: no part of it is shown."""

import string

from hypothesis import given
from hypothesis import strategies as st
from support.cli import CommandLine
from support.pieces import PIECE, VARIABLES, shown_pieces

BASE64 = string.ascii_letters + string.digits + "+/"
SECRETS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=64).map(lambda text: f"0x{text}"),
    st.text("0123456789ABCDEF", min_size=32, max_size=64),
    st.text(string.ascii_letters + string.digits, min_size=24, max_size=64),
    st.text(BASE64, min_size=40, max_size=86).map(lambda text: f"{text}=="),
    st.text(BASE64 + "-_", min_size=43, max_size=43).map(lambda text: f"{text}="),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=32, max_size=32).map(
        lambda text: f"{text}===="
    ),
    st.text(string.ascii_letters + string.digits + "=+/-", min_size=32, max_size=64),
    st.text(string.ascii_letters + " ", min_size=32, max_size=64),
)
BREAKS = st.sampled_from(
    ["\n", "\\\n", "\r\n", "\n\n", "\n  ", "\\\r\n", '"\n', "'\n", "\n'", '\n"', "\n# \n", " ",
     "\nexport ", "\n=", "=\n", "\t", "\r"]
)  # fmt: skip
QUOTES = st.sampled_from(["", "'", '"', "`", "\u201c", "\u201d", "\\"])


@st.composite
def mangled(draw: st.DrawFn, secret: str) -> str:
    """A value that somebody pasted, wrapped or edited badly."""
    parts, rest = [], secret
    for _ in range(draw(st.integers(0, 3))):
        cut = draw(st.integers(0, len(rest)))
        parts += [rest[:cut], draw(BREAKS)]
        rest = rest[cut:]
    return f"{draw(QUOTES)}{''.join(parts)}{rest}{draw(QUOTES)}"


@st.composite
def env_files(draw: st.DrawFn) -> tuple[list[str], str]:
    """The secrets, and the text of a file that has them in it."""
    secrets, lines = [], draw(st.lists(st.sampled_from(["LOG=1", "# note", "", "PROXY="])))
    for name in draw(st.lists(st.sampled_from(VARIABLES), min_size=1, unique=True)):
        secret = draw(SECRETS)
        secrets.append(secret)
        equals = draw(st.sampled_from(["=", "=", "= ", " =", ": ", "\n", ""]))
        lines.append(f"{name}{equals}{draw(mangled(secret))}")
    return secrets, "\n".join(draw(st.permutations(lines))) + "\n"


@given(case=env_files())
def test_no_piece_of_a_mangled_secret_is_shown(
    cli: CommandLine, case: tuple[list[str], str]
) -> None:
    secrets, text = case
    folder = cli.folder / "bots"
    folder.mkdir(exist_ok=True)
    (folder / "bot.env").write_bytes(text.encode())
    path = str(folder / "bot.env")
    for arguments in (
        ("import-env", "bot", "--env-file", path, "--create", "--dry-run"),
        ("import-env", "bot", "--env-file", path, "--create", "--dry-run", "--json"),
        ("import-env", "--dir", str(folder), "--create", "--dry-run"),
    ):
        assert shown_pieces(secrets, cli(*arguments)) == set()


@given(secret=SECRETS, cut=st.integers(min_value=1))
def test_a_secret_that_was_wrapped_is_never_stored_in_part(
    cli: CommandLine, secret: str, cut: int
) -> None:
    cut = 1 + cut % (len(secret) - 1)
    text = f"BACKPACK_PUBLIC_KEY=p\nBACKPACK_SECRET_KEY={secret[:cut]}\n{secret[cut:]}\nLOG=1\n"
    path = cli.file("bot.env", text)
    result = cli("import-env", "bot", "--env-file", path, "--create", "--dry-run", "--json")
    assert shown_pieces([secret], result) == set()
    rest = secret[cut:]
    if "=" not in rest.rstrip("=") and len(rest.rstrip("=")) > PIECE and rest.strip():
        assert result.exit_status == 2
