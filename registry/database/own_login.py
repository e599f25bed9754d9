"""The rights of the login itself, which is no superuser on most servers of providers."""

from typing import NamedTuple

from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.errors import PermissionDenied

_QUERIES = load_queries("registry.database", "own_login.sql")


class OwnLogin(NamedTuple):
    """A login, and its membership in the registry's roles."""

    name: str
    roles_exist: bool
    may_migrate: bool
    is_owner: bool
    """Whether it is a member of registry_owner, as who migrates becomes."""
    is_operator: bool


def own_login(connection: Connection) -> OwnLogin:
    """The login of the connection."""
    return OwnLogin(*one_row(connection.execute(_QUERIES["own_login"])))


def may_not_migrate(connection: Connection) -> PermissionDenied | None:
    """The error if the login lacks the rights for migrations, with what gives them."""
    login = own_login(connection)
    if login.may_migrate:
        return None
    if login.roles_exist:
        return PermissionDenied(
            f"the login {login.name} may not migrate: it is no member of registry_owner",
            hint=f'An administrator allows it: GRANT registry_owner TO "{login.name}"',
        )
    return PermissionDenied(
        f"the login {login.name} may not make the roles of the registry, which the server lacks",
        hint=f'An administrator allows it: ALTER ROLE "{login.name}" CREATEROLE',
    )
