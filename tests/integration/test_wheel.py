"""The wheel, installed in another place, is complete."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import registry
from registry.encryption.keyring import generate_master_key

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
INSTALLER = Path(sys.prefix).parent / "installer" / "bin" / "uv"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the wheel in it, outside the checkout.

    Its dependencies are lent from the environment of the tests: no index is needed.
    """
    uv = str(INSTALLER) if INSTALLER.exists() else shutil.which("uv")
    if uv is None:
        pytest.fail("there is no uv to build with; scripts/test installs it")
    folder = tmp_path_factory.mktemp("elsewhere")
    cache = {**os.environ, "UV_CACHE_DIR": str(PROJECT / ".environment" / "uv-cache")}
    build = [uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(PROJECT)]
    subprocess.run(build, check=True, env=cache, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    venv = folder / "venv"
    subprocess.run([uv, "venv", "--quiet", "-p", sys.executable, str(venv)], check=True, env=cache)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "-p", str(venv), str(wheel)]
    subprocess.run(install, check=True, env=cache, cwd=folder)
    (libraries,) = venv.glob("lib/python*/site-packages")
    (lent,) = Path(sys.prefix).glob("lib/python*/site-packages")
    for package in lent.iterdir():
        target = libraries / package.name
        ours = package.name.startswith(("account_registry", "_editable", "__editable"))
        if not ours and package.suffix != ".pth" and not target.exists():
            target.symlink_to(package)
    return venv


def test_the_program_runs_from_its_wheel_alone(
    installed: Path, empty_database: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "DATABASE_URL": empty_database,
        "CREDENTIAL_ENCRYPTION_KEY": generate_master_key().reveal(),
    }

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [installed / "bin" / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    location = run("python", "-c", "import registry, projections; print(registry.__file__)")
    assert location.startswith(str(installed))
    assert "006_add_multi_account_support" in run("account-registry", "migrate", "up")
    run("account-registry", "create-account", "main_bot")
    (tmp_path / "aster.json").write_text('{"api_key": "k-1", "secret_key": "s-1"}')
    run("account-registry", "add-credential", "main_bot", "aster", "--from-json", "aster.json")
    assert "main_bot" in run("python", "-m", "registry.commands", "list-accounts")
    assert "hyperliquid" in run("account-registry", "exchanges")
    assert "The backup restores." in run("account-registry", "restore-drill")
    assert "strategy_positions: 0 rows, the same" in run(
        "account-registry", "schema-down", "--rehearse"
    )
    shown = run("account-registry", "runbot", "--account", "main_bot", "--", "env")
    assert "ASTER_API_KEY=k-1" in shown.splitlines()
    assert "Took down 006" in run("account-registry", "schema-down", "--yes")
    told = "import importlib.metadata; print(importlib.metadata.version('account-registry'))"
    assert run("python", "-c", told) == f"{registry.__version__}\n"
    assert run("account-registry", "--version") == f"account-registry {registry.__version__}\n"
