"""How `Registry.import_env` and `Registry.import_config` import a file."""

from collections.abc import Mapping

from registry.execution.executor import Invocation
from registry.facade.context import By, Context, split
from registry.services.importing.one_account import ImportService
from registry.services.importing.options import ImportOptions, Subaccounts


class Importing(By, total=False):
    """What an import may do besides storing what is new, and who asks."""

    create: bool
    """Whether the account is made if there is none."""
    subaccount: int | Mapping[str, int] | Subaccounts | None
    """The subaccount at the exchange, or at each exchange that is named."""
    cascade: bool
    """Whether borrowers may get another key by it."""
    allow_shared_secret: bool
    """Whether another account may hold the same secret."""
    allow_other_account: bool
    """Whether the file may name another account."""


def importing(context: Context, how: Importing) -> tuple[ImportService, ImportOptions, Invocation]:
    """What an import is done with."""
    by, given = split(how)
    number = given.pop("subaccount", None)
    if not isinstance(number, Subaccounts):
        by_exchange = isinstance(number, Mapping)
        number = Subaccounts(number) if by_exchange else Subaccounts(of_all=number)
    options = ImportOptions(subaccounts=number, **given)
    return ImportService(context, context.keyring()), options, context.invocation(by)
