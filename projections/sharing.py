"""The table `account_exchange_sharing`."""

from typing import Final

from projections.rows import Table

TABLE: Final = Table(
    "account_exchange_sharing",
    {
        "id": "uuid",
        "primary_account_id": "uuid",
        "shared_account_id": "uuid",
        "exchange_id": "integer",
        "sharing_type": "varchar",
        "created_at": "timestamp",
        "updated_at": "timestamp",
    },
    owner="primary_account_id",
    unique=("primary_account_id", "exchange_id"),
)
