"""The units, the compose file and the Dockerfile of `examples` fit the program that they start."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from registry.commands import bots
from registry.commands._app import build
from registry.encryption.key_source import CHECKPOINT_KEY, MASTER_KEY

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = PROJECT / "examples"
UNITS = sorted(path for path in (EXAMPLES / "systemd").iterdir() if path.is_file())
PROGRAM = "/opt/account-registry/bin/account-registry"
CREDENTIALS = {"database_url", MASTER_KEY.credential, CHECKPOINT_KEY.credential}
OTHERS = {"pg_service.conf", "alerts_secret", "telegram.json"}
"""What pg_dump and examples/alerts look for."""
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE = 1.5
"""What docs/deploying.md says, and a little more for other versions of systemd."""

pytestmark = pytest.mark.usefixtures("no_key_configured")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="scripts/install-servers: systemd")


def commands() -> Iterator[tuple[str, Sequence[str]]]:
    """Each command line of the program in the examples, with its file."""
    for path in UNITS:
        for line in re.findall(rf"^ExecStart={PROGRAM} (.*)", path.read_text(), re.MULTILINE):
            yield path.name, shlex.split(line)
    service = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text())
    program, *words = service["services"]["main_bot"]["command"]
    assert program == "account-registry"
    yield "compose.yaml", words


def test_each_command_has_a_verb_and_options_that_there_are() -> None:
    found = list(commands())
    assert len(found) == len(list((EXAMPLES / "systemd").glob("*-*.timer"))) + 5
    for name, (verb, *words) in found:
        assert build().commands[verb].make_context(verb, list(words)), name


@pytest.mark.parametrize(
    ("form", "file"),
    [
        (bots.Form("systemd"), "systemd/main_bot.service"),
        (bots.Form("systemd", watch=True), "systemd/watched_bot.service"),
        (bots.Form("compose"), "compose/compose.yaml"),
    ],
)
def test_the_bot_of_the_examples_is_what_add_bot_prints(
    monkeypatch: pytest.MonkeyPatch, form: bots.Form, file: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    name = "watched_bot" if form.watch else "main_bot"
    address = Path(f"/etc/account-registry/{name}.address")
    printed = bots._rendered(form, name, name, address)
    assert printed + "\n" == (EXAMPLES / file).read_text()


def test_the_credentials_are_those_that_the_program_looks_for() -> None:
    passed = {
        name
        for path in [*UNITS, *(EXAMPLES / "systemd").glob("*.d/*")]
        for name in re.findall(r"^LoadCredential=([\w.]+):", path.read_text(), re.MULTILINE)
    }
    assert passed == CREDENTIALS | OTHERS
    document = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text())
    secrets = document["services"]["main_bot"]["secrets"]
    assert {secret["target"] for secret in secrets} <= CREDENTIALS
    assert {secret["source"] for secret in secrets} == set(document["secrets"])


def test_each_timer_has_its_service_and_each_failure_is_told() -> None:
    for timer in (EXAMPLES / "systemd").glob("*.timer"):
        service = timer.with_suffix(".service").read_text()
        assert "OnFailure=registry-alert@%N.service" in service
    assert (EXAMPLES / "systemd" / "registry-alert@.service").exists()


def test_the_image_is_built_with_what_the_service_starts() -> None:
    lines = (EXAMPLES / "compose" / "Dockerfile").read_text().splitlines()
    steps = [line.split(" ", 1)[0] for line in lines if line and not line.startswith("#")]
    assert steps == ["FROM", "COPY", "RUN", "RUN", "WORKDIR", "COPY", "USER"]
    document = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text())
    service = document["services"]["main_bot"]
    assert f"USER {service['user']}" in lines
    assert f"COPY {service['command'][-1]} ." in lines


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with programs that are on this machine."""
    copy = tmp_path / "units"
    shutil.copytree(EXAMPLES / "systemd", copy)
    for path in copy.glob("*.service"):
        text = re.sub(
            r"^ExecStart=/\S+", "ExecStart=/bin/true", path.read_text(), flags=re.MULTILINE
        )
        path.write_text(text)
    return copy


def analyzed(units: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(ANALYZE), *arguments],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), arguments
    return done.stdout


@needs_systemd
def test_systemd_finds_no_fault_in_the_units(units: Path) -> None:
    analyzed(units, "verify", *(str(units / path.name) for path in UNITS))


@needs_systemd
@pytest.mark.parametrize(
    "unit", [path.name for path in UNITS if path.suffix == ".service" and "@" not in path.name]
)
def test_a_unit_may_do_little_beyond_its_work(units: Path, unit: str) -> None:
    rated = analyzed(units, "security", "--offline=true", str(units / unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated)
    assert found
    assert float(found[1]) <= EXPOSURE
