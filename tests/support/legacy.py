"""Databases from before the registry: hand-made tables with rows of every kind.

The tables are those of the bot's own migration. The rows are typical for its scripts, and for
people with an SQL prompt.
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from cryptography.fernet import Fernet

BOT_TABLES: Final = """
CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END
$$;
CREATE TABLE dexes (
    id SERIAL PRIMARY KEY,
    name VARCHAR(50) UNIQUE NOT NULL,
    display_name VARCHAR(100) NOT NULL,
    api_base_url VARCHAR(255),
    websocket_url VARCHAR(255),
    is_active BOOLEAN DEFAULT TRUE,
    supports_websocket BOOLEAN DEFAULT FALSE,
    maker_fee_percent NUMERIC(10, 6) NOT NULL,
    taker_fee_percent NUMERIC(10, 6) NOT NULL,
    has_fee_tiers BOOLEAN DEFAULT FALSE,
    fee_metadata JSONB,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE symbols (
    id SERIAL PRIMARY KEY,
    symbol VARCHAR(20) UNIQUE NOT NULL,
    display_name VARCHAR(50),
    category VARCHAR(20),
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE strategy_positions (
    id UUID PRIMARY KEY,
    strategy_name VARCHAR(50) NOT NULL,
    symbol_id INTEGER NOT NULL REFERENCES symbols(id),
    long_dex_id INTEGER NOT NULL REFERENCES dexes(id),
    short_dex_id INTEGER NOT NULL REFERENCES dexes(id),
    size_usd NUMERIC(20, 8) NOT NULL,
    entry_long_rate NUMERIC(20, 8) NOT NULL,
    entry_short_rate NUMERIC(20, 8) NOT NULL,
    entry_divergence NUMERIC(20, 8) NOT NULL,
    opened_at TIMESTAMP NOT NULL,
    current_divergence NUMERIC(20, 8),
    last_check TIMESTAMP,
    status VARCHAR(20) NOT NULL DEFAULT 'open',
    rebalance_pending BOOLEAN DEFAULT FALSE,
    rebalance_reason VARCHAR(50),
    exit_reason VARCHAR(50),
    closed_at TIMESTAMP,
    pnl_usd NUMERIC(20, 8),
    cumulative_funding_usd NUMERIC(20, 8) DEFAULT 0,
    funding_payments_count INTEGER DEFAULT 0,
    metadata JSONB,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);
INSERT INTO dexes (name, display_name, maker_fee_percent, taker_fee_percent)
SELECT name, initcap(name), 0.01, 0.02
FROM unnest(ARRAY['lighter', 'grvt', 'edgex', 'aster', 'backpack', 'paradex']) AS name;
INSERT INTO symbols (symbol) VALUES ('BTC'), ('ETH');
"""
"""The bot's tables from before it had accounts."""

ACCOUNT_TABLES: Final = """
CREATE TABLE IF NOT EXISTS accounts (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    account_name VARCHAR(255) UNIQUE NOT NULL,
    wallet_address VARCHAR(255),
    description TEXT,
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW(),
    metadata JSONB DEFAULT '{}'::jsonb
);
CREATE INDEX IF NOT EXISTS idx_accounts_name ON accounts(account_name);
CREATE INDEX IF NOT EXISTS idx_accounts_active ON accounts(is_active) WHERE is_active = TRUE;
CREATE TABLE IF NOT EXISTS account_exchange_credentials (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id UUID NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    exchange_id INTEGER NOT NULL REFERENCES dexes(id) ON DELETE CASCADE,
    api_key_encrypted TEXT,
    secret_key_encrypted TEXT,
    additional_credentials_encrypted JSONB,
    exchange_account_id VARCHAR(255),
    subaccount_index INTEGER,
    is_active BOOLEAN DEFAULT TRUE,
    last_used TIMESTAMP,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW(),
    UNIQUE(account_id, exchange_id, subaccount_index)
);
CREATE INDEX IF NOT EXISTS idx_account_creds_account ON account_exchange_credentials(account_id);
CREATE INDEX IF NOT EXISTS idx_account_creds_exchange ON account_exchange_credentials(exchange_id);
CREATE INDEX IF NOT EXISTS idx_account_creds_active
    ON account_exchange_credentials(is_active) WHERE is_active = TRUE;
CREATE INDEX IF NOT EXISTS idx_account_creds_composite
    ON account_exchange_credentials(account_id, exchange_id);
CREATE TABLE IF NOT EXISTS account_exchange_sharing (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    primary_account_id UUID NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    shared_account_id UUID NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    exchange_id INTEGER NOT NULL REFERENCES dexes(id) ON DELETE CASCADE,
    sharing_type VARCHAR(50) NOT NULL DEFAULT 'full',
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW(),
    CHECK (primary_account_id != shared_account_id),
    UNIQUE(primary_account_id, exchange_id)
);
CREATE INDEX IF NOT EXISTS idx_account_sharing_primary
    ON account_exchange_sharing(primary_account_id);
CREATE INDEX IF NOT EXISTS idx_account_sharing_shared
    ON account_exchange_sharing(shared_account_id);
CREATE INDEX IF NOT EXISTS idx_account_sharing_exchange ON account_exchange_sharing(exchange_id);
ALTER TABLE strategy_positions
    ADD COLUMN IF NOT EXISTS account_id UUID REFERENCES accounts(id) ON DELETE SET NULL;
CREATE INDEX IF NOT EXISTS idx_positions_account ON strategy_positions(account_id);
CREATE INDEX IF NOT EXISTS idx_positions_account_status ON strategy_positions(account_id, status);
CREATE TRIGGER update_accounts_updated_at BEFORE UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_account_exchange_credentials_updated_at
    BEFORE UPDATE ON account_exchange_credentials
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_account_exchange_sharing_updated_at
    BEFORE UPDATE ON account_exchange_sharing
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
COMMENT ON TABLE accounts IS 'Trading accounts/bots with isolated credentials and positions';
"""
"""The tables of the bot's migration 006."""

LATER_TABLES: Final = """
CREATE TABLE users (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), username TEXT UNIQUE);
ALTER TABLE accounts ADD COLUMN user_id UUID REFERENCES users(id) ON DELETE SET NULL;
CREATE INDEX idx_accounts_user_id ON accounts(user_id);
ALTER TABLE accounts DROP CONSTRAINT accounts_account_name_key;
CREATE UNIQUE INDEX idx_accounts_user_name_unique
    ON accounts(user_id, account_name) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX idx_accounts_name_unique_legacy
    ON accounts(account_name) WHERE user_id IS NULL;
CREATE TABLE account_proxy_assignments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id UUID NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    priority INTEGER DEFAULT 0
);
CREATE TABLE credential_checks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    credential_id UUID NOT NULL REFERENCES account_exchange_credentials(id) ON DELETE CASCADE
);
"""
"""The changes by later migrations of the bot."""


@dataclass(slots=True)
class LegacyDatabase:
    """A bot's database to be filled row by row."""

    connection: psycopg.Connection[Any]
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    def make(self, *, later: bool = False) -> "LegacyDatabase":
        """Creates the tables."""
        self.connection.execute(BOT_TABLES.encode())
        self.connection.execute(ACCOUNT_TABLES.encode())
        if later:
            self.connection.execute(LATER_TABLES.encode())
        return self

    def token(self, text: str, key: str | None = None) -> str:
        """A text encrypted like in the bot's scripts."""
        return Fernet(key or self.key).encrypt(text.encode()).decode()

    def account(self, name: str, **columns: Any) -> uuid.UUID:
        """Adds an account; JSON columns may be given as Python values."""
        return self._insert("accounts", {"account_name": name, **columns})

    def credential(
        self,
        account: uuid.UUID,
        exchange: str,
        *,
        api_key: str | None = None,
        secret_key: str | None = None,
        additional: Any = None,
        **columns: Any,
    ) -> uuid.UUID:
        """Adds a credential as given: the values of the columns are tokens already."""
        row = {
            "account_id": account,
            "exchange_id": self.exchange(exchange),
            "api_key_encrypted": api_key,
            "secret_key_encrypted": secret_key,
            "additional_credentials_encrypted": additional,
            **columns,
        }
        given = {name: value for name, value in row.items() if value is not None}
        return self._insert("account_exchange_credentials", given)

    def share(
        self, borrower: uuid.UUID, lender: uuid.UUID, exchange: str, **columns: Any
    ) -> uuid.UUID:
        """Adds a share."""
        row = {
            "primary_account_id": borrower,
            "shared_account_id": lender,
            "exchange_id": self.exchange(exchange),
        }
        return self._insert("account_exchange_sharing", {**row, **columns})

    def position(self, account: uuid.UUID | None, status: str = "open") -> uuid.UUID:
        """Adds a position."""
        return self._insert(
            "strategy_positions",
            {
                "id": uuid.uuid4(),
                "strategy_name": "funding_arbitrage",
                "symbol_id": 1,
                "long_dex_id": 1,
                "short_dex_id": 2,
                "size_usd": 1000,
                "entry_long_rate": 0,
                "entry_short_rate": 0,
                "entry_divergence": 0,
                "opened_at": "2025-06-01",
                "status": status,
                "account_id": account,
            },
        )

    def exchange(self, name: str) -> int:
        """The id of an exchange."""
        row = self.connection.execute("SELECT id FROM dexes WHERE name = %s", [name]).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self, table: str, columns: str = "*") -> list[str]:
        """All rows of a table as text."""
        statement = f"SELECT t::text FROM (SELECT {columns} FROM {table} ORDER BY id) AS t"
        return [row[0] for row in self.connection.execute(statement.encode())]

    def load(self, account_name: str) -> dict[str, dict[str, Any]]:
        """The result of the bot's own loader for an account."""
        rows = self.connection.execute(
            """
            SELECT d.name, c.api_key_encrypted, c.secret_key_encrypted, c.subaccount_index,
                c.additional_credentials_encrypted
            FROM account_exchange_credentials AS c
            JOIN dexes AS d ON d.id = c.exchange_id
            JOIN accounts AS a ON a.id = c.account_id
            WHERE a.account_name = %s AND a.is_active AND c.is_active
            """,
            [account_name],
        )
        return {name: self._load_one(*columns) for name, *columns in rows}

    def _load_one(
        self, api_key: str | None, secret_key: str | None, subaccount: int | None, additional: Any
    ) -> dict[str, Any]:
        fernet = Fernet(self.key)
        loaded: dict[str, Any] = {}
        if api_key:
            loaded["api_key"] = fernet.decrypt(api_key).decode()
        if secret_key:
            loaded["secret_key"] = fernet.decrypt(secret_key).decode()
        if subaccount is not None:
            loaded["subaccount_index"] = subaccount
        for name, token in (additional or {}).items():
            loaded[name] = fernet.decrypt(token).decode()
        return loaded

    def _insert(self, table: str, row: dict[str, Any]) -> uuid.UUID:
        columns = ", ".join(row)
        places = ", ".join("%s" for _ in row)
        values = [
            json.dumps(value)
            if name in ("metadata", "additional_credentials_encrypted")
            and not isinstance(value, Json)
            else value.text
            if isinstance(value, Json)
            else value
            for name, value in row.items()
        ]
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id"
        found = self.connection.execute(statement.encode(), values).fetchone()
        assert found is not None
        return uuid.UUID(str(found[0]))


@dataclass(frozen=True, slots=True)
class Json:
    """JSON text to store as it is, for documents that Python's JSON cannot write."""

    text: str


def fill_well(bot: LegacyDatabase) -> dict[str, uuid.UUID]:
    """Rows that fit all rules, as scripts of the bot wrote them."""
    made = {
        "main_bot": bot.account(
            "main_bot",
            description="Primary funding arbitrage account",
            wallet_address="0x1234abcd",
            metadata={"max_positions": 10, "max_exposure_usd": 100000},
            created_at="2025-01-02 03:04:05.6789",
            updated_at="2025-02-03 04:05:06",
        ),
        "shared_backpack": bot.account("shared_backpack", created_at="2025-01-01"),
        "Main_Bot": bot.account("Main_Bot", is_active=False),
        "empty": bot.account("empty", metadata={"allowed_exchanges": ["lighter"], "rate": 1.10}),
    }
    token = bot.token
    bot.credential(
        made["main_bot"],
        "lighter",
        additional={name: token(value) for name, value in LIGHTER.items()},
        subaccount_index=0,
        last_used="2025-05-05 05:05:05",
        exchange_account_id="213803",
    )
    bot.credential(
        made["main_bot"], "aster", api_key=token("aster-api"), secret_key=token("aster-secret")
    )
    bot.credential(
        made["main_bot"],
        "paradex",
        additional={"l1_address": token("0xabc"), "l2_private_key_hex": token("0xdef")},
        is_active=False,
    )
    made["backpack"] = bot.credential(
        made["shared_backpack"],
        "backpack",
        api_key=token("backpack-public"),
        secret_key=token("backpack-secret"),
    )
    bot.share(made["main_bot"], made["shared_backpack"], "backpack", sharing_type="full")
    bot.share(made["empty"], made["shared_backpack"], "backpack", sharing_type="read_only")
    for status in ("open", "closed", "open"):
        bot.position(made["main_bot"], status)
    bot.position(None)
    return made


LIGHTER: Final = {"private_key": "6b667422", "account_index": "213803", "api_key_index": "2"}


def fill_many(bot: LegacyDatabase, accounts: int) -> None:
    """Many accounts with three credentials each, and for some a share and a position."""
    fernet = Fernet(bot.key)

    def token(text: str) -> str:
        return fernet.encrypt(text.encode()).decode()

    exchanges = {name: bot.exchange(name) for name in ("lighter", "aster", "backpack")}
    ids = [uuid.UUID(int=(0x1000 + number) << 64 | number) for number in range(accounts)]
    with bot.connection.cursor().copy(
        "COPY accounts (id, account_name, metadata) FROM STDIN"
    ) as copy:
        for number, account in enumerate(ids):
            copy.write_row((account, f"bot-{number:07}", '{"max_positions": 10}'))
    with bot.connection.cursor().copy(
        "COPY account_exchange_credentials (account_id, exchange_id, api_key_encrypted,"
        " secret_key_encrypted, additional_credentials_encrypted, subaccount_index) FROM STDIN"
    ) as copy:
        for account in ids:
            fields = {name: token(value) for name, value in LIGHTER.items()}
            rows = (
                ("lighter", None, None, json.dumps(fields), 0),
                ("aster", token(f"a{account}"), token(f"s{account}"), None, None),
                ("backpack", token(f"b{account}"), token(f"t{account}"), None, None),
            )
            for exchange, *columns in rows:
                copy.write_row((account, exchanges[exchange], *columns))
    bot.connection.execute(
        "INSERT INTO strategy_positions (id, strategy_name, symbol_id, long_dex_id, short_dex_id,"
        " size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at, account_id)"
        " SELECT gen_random_uuid(), 'funding', 1, 1, 2, 100, 0, 0, 0, now(), a.id"
        " FROM accounts AS a WHERE a.account_name LIKE '%0'"
    )
