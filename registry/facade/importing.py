"""The common part of `Registry.import_env` and `Registry.import_config`."""

from collections.abc import Mapping

from registry.execution.executor import Invocation
from registry.facade.context import Context
from registry.facade.given import ImportChoices, split
from registry.services.importing.one_account import ImportService
from registry.services.importing.options import ImportOptions, Subaccounts


def importing(
    context: Context, how: ImportChoices
) -> tuple[ImportService, ImportOptions, Invocation]:
    """The service, the options and the invocation of an import."""
    by, given = split(how)
    number = given.pop("subaccount", None)
    numbers = dict(number) if isinstance(number, Mapping) else {"": number}
    of_all = numbers.pop("", None)
    exchange = given.pop("exchange", None) or ()
    exchanges = (exchange,) if isinstance(exchange, str) else tuple(exchange)
    options = ImportOptions(exchanges=exchanges, subaccounts=Subaccounts(numbers, of_all), **given)
    return ImportService(context, context.keyring()), options, context.invocation(by)
