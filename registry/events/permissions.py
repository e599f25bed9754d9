"""What a key can do, and what somebody may do with it."""

from typing import Literal

Permission = Literal["full", "read_only"]
"""What a key can do at the exchange."""

SharingType = Literal["full", "read_only", "positions_only"]
"""What a borrower may do with a lender's key."""

Access = SharingType
"""What the caller may do with a credential."""
