"""A server of a provider: the administrator's login has CREATEROLE and a database, no more."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.running import BACKPACK

OWNED = "may change the registry, but is no operator"
EVERY_VERB = """
create-account bot
create-account lender --description two
update-account bot --set max_positions=3
rename-account lender other
rename-account other lender
add-credential bot aster --from-json -
add-credential lender backpack --from-json -
replace-credential bot aster --from-json -
update-credential bot aster --label one
deactivate-credential bot aster
reactivate-credential bot aster
share bot lender backpack
list-accounts
list-credentials
list-shares
list-access
list-positions
show-account bot
resolve bot
exchanges
add-exchange desk --field api_key=DESK_API_KEY
update-exchange desk --field api_key=DESK_API_KEY --field secret_key=DESK_SECRET_KEY
remove-exchange desk
reveal-credential bot aster --field api_key
add-bot bot
add-bot bot --new-password
stop --account bot --reason tried --yes
remove-bot bot --yes
history
who-could-use bot aster
blast-radius bot aster
rollback --account bot --to 1 --dry-run
import-env bot --env-file - --dry-run
adopt
rebuild --check
rebuild
rotate-master-key
verify
migrate status
migrate repair --dry-run
end-session
unshare bot backpack
remove-credential bot aster --yes
destroy-secrets bot aster --old --yes
deactivate-account lender
reactivate-account lender
delete-account lender --yes
schema-down --yes
migrate up
doctor
"""

FIELDS = {
    "add-credential bot aster --from-json -": '{"api_key": "made-up-1", "secret_key": "made-up-2"}',
    "add-credential lender backpack --from-json -": BACKPACK,
    "replace-credential bot aster --from-json -": '{"api_key": "other-1", "secret_key": "other-2"}',
    "import-env bot --env-file - --dry-run": "ASTER_API_KEY=third-1\nASTER_SECRET_KEY=third-2\n",
}


@pytest.fixture
def administrator(empty_database: str) -> Iterator[LoginRole]:
    """The owner of an empty database, on a server where the registry's roles exist already."""
    with login_role(empty_database) as role, psycopg.connect(empty_database) as server:
        server.execute(f"ALTER ROLE {role.name} CREATEROLE")
        server.execute(f"ALTER DATABASE {server.info.dbname} OWNER TO {role.name}")
        server.commit()
        yield role
        server.execute(f"REASSIGN OWNED BY {role.name} TO {server.info.user}")
        server.commit()


@pytest.fixture
def managed(
    administrator: LoginRole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    return CommandLine(administrator.address, tmp_path, monkeypatch)


def grant(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as server:
        for statement in statements:
            server.execute(statement.encode())


def major(database: str) -> int:
    with psycopg.connect(database) as server:
        return server.info.server_version // 10_000


def test_who_may_not_migrate_learns_what_gives_the_right(
    managed: CommandLine, administrator: LoginRole, empty_database: str
) -> None:
    grant(empty_database, f"ALTER ROLE {administrator.name} NOCREATEROLE")
    right = f'GRANT registry_owner TO "{administrator.name}"'
    refused = managed("migrate", "up", "--json")
    assert refused.exit_status == 5
    assert right in refused.error["hint"]
    assert right in managed("doctor").out
    grant(empty_database, right)
    assert managed("migrate", "up").exit_status == 0


def test_who_owns_the_registry_and_is_no_operator_learns_that_and_does_not_become_a_bot(
    managed: CommandLine, administrator: LoginRole, empty_database: str
) -> None:
    grant(empty_database, f'GRANT registry_owner TO "{administrator.name}"')
    managed("migrate", "up")
    managed("create-account", "bot")
    managed.store("bot", "aster")
    right = f'GRANT registry_operator TO "{administrator.name}"'
    for verb in (
        ("run", "--account", "bot", "--", "true"),
        ("reveal-credential", "bot", "aster", "--field", "api_key"),
    ):
        refused = managed(*verb)
        assert refused.exit_status == 5
        assert OWNED in refused.err
        assert right in refused.err
    assert right in managed("doctor").out
    refused = managed("grant-access", "bot", "--role", administrator.name, "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "persons_login")
    assert administrator.name in managed("who-could-use", "bot", "aster").out
    grant(empty_database, right)
    assert managed.process("run", "--account", "bot", "--", "true").exit_status == 0
    assert "warning  login:" not in managed("doctor").out


def test_an_administrator_who_was_made_a_bot_learns_it(
    managed: CommandLine, administrator: LoginRole, empty_database: str
) -> None:
    grant(empty_database, f'GRANT registry_owner TO "{administrator.name}"')
    managed("migrate", "up")
    grant(empty_database, f'GRANT registry_bot TO "{administrator.name}"')
    found = managed("doctor").out
    assert f'REVOKE registry_bot FROM "{administrator.name}"' in found


@pytest.mark.slow
def test_every_verb_works_on_a_server_of_a_provider(
    managed: CommandLine, administrator: LoginRole, empty_database: str
) -> None:
    rights = ["registry_owner", "registry_operator"]
    grant(empty_database, *(f'GRANT {right} TO "{administrator.name}"' for right in rights))
    if major(empty_database) >= 16:
        option = "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
        grant(empty_database, f'GRANT registry_bot TO "{administrator.name}" {option}')
    for verb in ("migrate up", *filter(None, EVERY_VERB.splitlines())):
        done = managed(*verb.split(), stdin=FIELDS.get(verb, ""))
        assert done.exit_status == 0 or verb == "doctor", f"{verb}: {done.out}{done.err}"
    assert "warning  login:" not in done.out
