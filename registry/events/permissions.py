"""Permissions of keys at the exchange, and rights to use a credential."""

from typing import Literal

Permission = Literal["full", "read_only"]
"""The permission of a key at the exchange."""

SharingType = Literal["full", "read_only", "positions_only"]
"""The rights of a borrower to the lender's credential."""

Access = SharingType
"""The rights of a caller to a credential."""
