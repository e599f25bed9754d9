"""The options of an import, and its credentials as input of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.encryption.secret import Secret
from registry.services.changes.credentials import CredentialInput, Mode
from registry.services.changes.slot_tasks import SlotName
from registry.subaccounts import NOT_CHOSEN, Subaccounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The options of an import."""

    create: bool = False
    """Create a missing account."""
    cascade: bool = False
    """Change credentials that are lent."""
    exchanges: Sequence[str] = ()
    """Import these exchanges' credentials only; by default all that the file has."""
    subaccounts: Subaccounts = NOT_CHOSEN
    allow_shared_secret: bool = False
    """Accept a secret that another account holds."""
    allow_other_account: bool = False
    """Accept a file that names another account."""


def import_inputs(
    credentials: Mapping[str, Mapping[str, Secret]], subaccounts: Subaccounts = NOT_CHOSEN
) -> list[CredentialInput]:
    """The credentials of a file as input of the service; stored fields not in the file are kept.

    Raises:
        InvalidInput: a subaccount is named for an exchange without a credential in the file.
    """
    subaccounts.check(credentials)
    inputs = []
    for exchange, fields in credentials.items():
        slot = SlotName(exchange, subaccounts.get(exchange), "full")
        inputs.append(CredentialInput(slot, fields, mode=Mode.MERGE))
    return inputs
