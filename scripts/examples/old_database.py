"""The database of docs/adopting-a-database.md: a bot's tables made by hand, with odd rows.

`python -m old_database` fills the database of DATABASE_URL. Fixed ids make the order stable.
"""

import os
import sys
from uuid import UUID

import psycopg
from support.legacy import LegacyDatabase


def fill(bot: LegacyDatabase) -> None:
    """Adds the rows: five do not fit the rules, and one secret is in plain text."""
    token = bot.token
    lender = bot.account("shared_backpack", id=UUID("0e0ad8a7-8a0c-4f3e-8f0c-5a8f8e3f0c11"))
    main = bot.account(
        "main_bot", metadata={"max_positions": 10}, id=UUID("5d0c1f3c-2f3d-4a6f-9a35-0b8b3f4f7a22")
    )
    test = bot.account(
        " test_bot", metadata=["a", "b"], id=UUID("8b59235b-b76f-45fb-83dd-cc74ebd04f2f")
    )
    bot.credential(
        lender,
        "backpack",
        api_key=token("bp-public"),
        secret_key="bp-secret",  # noqa: S106 - made up
        id=UUID("0b5f8f0e-6c52-4d68-9d0a-2a0f6b7c1e33"),
    )
    bot.credential(
        main,
        "aster",
        api_key=token("aster-1"),
        secret_key=token("secret-1"),
        updated_at="2025-01-01",
        id=UUID("a9743095-4bf1-494d-bc16-e4805b1b8c58"),
    )
    bot.credential(
        main,
        "aster",
        api_key=token("aster-2"),
        secret_key=token("secret-2"),
        updated_at="2025-06-01",
        id=UUID("b1a4c7de-19f3-4e53-8d6c-7c2f9e0a1b44"),
    )
    lighter = {"private_key": "0x5eed", "account_index": "4711", "api_key_index": "2"}
    bot.credential(
        main,
        "lighter",
        additional={name: token(value) for name, value in lighter.items()},
        subaccount_index=0,
        id=UUID("c83e2b6f-70d4-4b8e-a1f5-3d9c6e5b2a55"),
    )
    bot.credential(
        test,
        "lighter",
        api_key=token("your_api_key_here"),
        secret_key=token("your_secret_key_here"),
        subaccount_index=0,
        id=UUID("513f014d-8551-4e48-9292-2624def2abb8"),
    )
    bot.share(main, lender, "backpack")
    bot.share(test, main, "backpack", id=UUID("5967b1e8-7af1-47f3-a3d3-92f3b334898f"))
    for _ in range(3):
        bot.position(main)


def main() -> None:
    """Creates the tables and their rows; with `--owner`, only the tables and an extra column."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        bot = LegacyDatabase(connection, os.environ["CREDENTIAL_ENCRYPTION_KEY"]).make()
        if "--owner" in sys.argv:
            connection.execute("ALTER TABLE accounts ADD owner TEXT NOT NULL")
        else:
            fill(bot)


if __name__ == "__main__":
    main()
