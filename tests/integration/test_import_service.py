"""Imports by a program: the same rules as on the command line."""

from pathlib import Path

import pytest
from support.tables import nothing_written
from support.world import BY, World

from registry.errors import InvalidCredential, InvalidInput, OtherAccountNamed, SecretInUse
from registry.services.importing.one_account import ImportService
from registry.services.importing.options import ImportOptions
from registry.subaccounts import Subaccounts

ASTER = "ASTER_API_KEY=key-7\nASTER_SECRET_KEY=secret-7\n"
CREATE = ImportOptions(create=True)


@pytest.fixture
def service(world: World) -> ImportService:
    return ImportService(world.database, world.keyring)


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_import_tells_what_it_found_and_what_became_of_it(
    service: ImportService, tmp_path: Path
) -> None:
    path = file(tmp_path, ".env.bot_1", f"{ASTER}LOG=1\n")
    found, outcome = service.env_file("bot_1", path, CREATE, BY)
    assert found.other_names == ("LOG",)
    assert [(one.slot.exchange, one.change) for one in outcome.stored] == [("aster", "added")]
    config = file(
        tmp_path, "c.json", '{"x": {"exchange": "aster", "key": "key-7", "secret": "new-7"}}'
    )
    read, outcome = service.config_file("bot_1", [config], None, None, ImportOptions(), BY)
    assert read.format == "passivbot"
    assert [(one.change, one.previous_version) for one in outcome.stored] == [("replaced", 1)]


def test_what_is_another_account_s_is_refused_unless_allowed(
    service: ImportService, tmp_path: Path, database_url: str
) -> None:
    path = file(tmp_path, ".env.bot_1", ASTER)
    service.env_file("bot_1", path, CREATE, BY)
    with nothing_written(database_url):
        with pytest.raises(OtherAccountNamed):
            service.env_file("bot_2", path, CREATE, BY)
        with pytest.raises(SecretInUse):
            allowed = ImportOptions(create=True, allow_other_account=True)
            service.env_file("bot_2", path, allowed, BY)
    both = ImportOptions(create=True, allow_other_account=True, allow_shared_secret=True)
    _, outcome = service.env_file("bot_2", path, both, BY)
    assert outcome.notes == ("bot_2 and bot_1 hold the same api_key and secret_key for aster",)


def test_a_subaccount_is_asked_for(service: ImportService, tmp_path: Path) -> None:
    path = file(tmp_path, ".env.bot_1", ASTER)
    third = ImportOptions(create=True, subaccounts=Subaccounts({"aster": 3}))
    service.env_file("bot_1", path, third, BY)
    with pytest.raises(InvalidInput, match="names no subaccount"):
        service.env_file("bot_1", path, CREATE, BY)


def test_no_account_is_made_with_a_key_for_a_wallet(
    service: ImportService, tmp_path: Path, database_url: str
) -> None:
    key = "9f3a" * 16
    text = f"PARADEX_L1_ADDRESS=0x{key}\nPARADEX_L2_PRIVATE_KEY=0x0{key[1:]}\n"
    with nothing_written(database_url), pytest.raises(InvalidCredential):
        service.env_file("bot_1", file(tmp_path, "p.env", text), CREATE, BY)
