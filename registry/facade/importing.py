"""The common part of `Registry.import_env` and `Registry.import_config`."""

from registry.execution.executor import Invocation
from registry.facade.context import Context
from registry.facade.given import ImportChoices, split
from registry.services.importing.one_account import ImportService
from registry.services.importing.options import ImportOptions
from registry.subaccounts import Subaccounts


def importing(
    context: Context, how: ImportChoices
) -> tuple[ImportService, ImportOptions, Invocation]:
    """The service, the options and the invocation of an import."""
    by, given = split(how)
    subaccounts = Subaccounts.of(given.pop("subaccount", None))
    options = ImportOptions(subaccounts=subaccounts, **given)
    return ImportService(context, context.keyring()), options, context.invocation(by)
