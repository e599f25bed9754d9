"""Small readers of env files, after the documentation of the programs that they stand for."""

import subprocess
from pathlib import Path

_SPACE = " \t\r\n"


def read_by_shell(shell: str, path: str, names: list[str]) -> dict[str, str]:
    """What a shell that sources the file has in its variables."""
    printed = " ".join(f'"${name}"' for name in names)
    script = f". {path}\nprintf '%s\\0' {printed}\n"
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, check=True, pass_fds=[int(Path(path).name)]
    )
    return dict(zip(names, done.stdout.decode().split("\0"), strict=False))


def read_by_docker(content: bytes) -> dict[str, str]:
    """`docker run --env-file`: lines as they stand, the space before a name left out."""
    found = {}
    for raw in content.split(b"\n"):
        assert len(raw) < 64 * 1024
        line = raw.removesuffix(b"\r").decode().lstrip()
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name] = value
    return found


def read_by_systemd(text: str) -> dict[str, str]:
    """EnvironmentFile= of systemd.exec(5): quotes, escapes, and lines that go on."""
    found: dict[str, str] = {}
    rest = iter(text)
    for character in rest:
        if character in _SPACE:
            continue
        name = character
        for following in rest:
            if following == "=":
                break
            name += following
        found[name] = _value(rest)
    return found


def _value(rest: object) -> str:
    value = spaces = ""
    quote = ""
    for character in rest:  # type: ignore[attr-defined]
        if quote == "'" and character != "'":
            value += character
        elif quote == '"' and character == "\\":
            following = next(rest)  # type: ignore[call-overload]
            value += following if following in '"\\`$' else "" if following == "\n" else (
                "\\" + following)  # fmt: skip
        elif quote and character != quote:
            value += character
        elif quote:
            quote = ""
        elif character in "\r\n":
            break
        elif character in "'\"" and not value:
            quote = character
        elif character in " \t":
            spaces += character if value else ""
        else:
            value, spaces = value + spaces + character, ""
    return value
