"""A small bot: takes its credentials, opens and closes a position, and reports it.

Started by `account-registry run`, it finds its credentials in the environment; with
`--loader NAME` it loads the credentials of the account NAME itself.
"""

import json
import os
import sys
from decimal import Decimal


def from_environment() -> dict[str, dict[str, str]]:
    """The variables that the old bots read."""
    return {
        "backpack": {
            "public_key": os.environ["BACKPACK_PUBLIC_KEY"],
            "secret_key": os.environ["BACKPACK_SECRET_KEY"],
        }
    }


def trade(account: str) -> str:
    """Opens and closes a position."""
    from registry.positions import FundingArbPositionManager

    positions = FundingArbPositionManager(account)
    position_id = positions.create(
        symbol="BTC",
        long_dex="lighter",
        short_dex="backpack",
        size_usd=Decimal(100),
        entry_long_rate=Decimal("0.0001"),
        entry_short_rate=Decimal("0.0004"),
    )
    positions.close(position_id, "DONE")
    closed = positions.get(position_id)
    return "none" if closed is None else closed.status


def main() -> None:
    """Runs the bot once."""
    if sys.argv[1:2] == ["--loader"]:
        from registry.loader import CredentialLoader

        account = sys.argv[2]
        with CredentialLoader(purpose="sample bot") as loader:
            credentials = dict(loader.load_account_credentials(account))
    else:
        account = os.environ["REGISTRY_ACCOUNT"]
        credentials = from_environment()
    status = trade(account) if "DATABASE_URL" in os.environ else "not traded"
    done = {"account": account, "credentials": credentials, "position": status}
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
