-- The tables of a funding-arbitrage bot that the registry refers to.
-- An existing bot database keeps its own: each is created only where it is missing.

CREATE TABLE IF NOT EXISTS public.dexes (
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

CREATE TABLE IF NOT EXISTS public.symbols (
    id SERIAL PRIMARY KEY,
    symbol VARCHAR(20) UNIQUE NOT NULL,
    display_name VARCHAR(50),
    category VARCHAR(20),
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS public.strategy_positions (
    id UUID PRIMARY KEY,
    strategy_name VARCHAR(50) NOT NULL,
    symbol_id INTEGER NOT NULL REFERENCES public.symbols (id),
    long_dex_id INTEGER NOT NULL REFERENCES public.dexes (id),
    short_dex_id INTEGER NOT NULL REFERENCES public.dexes (id),
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

-- The exchanges of the built-in catalog. Fees are the bot's business: a row that
-- exists already is left as it is, and a table with fewer columns is filled by name.
DO $seed$
DECLARE
    has_details boolean := (
        SELECT count(*) = 3
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = 'dexes'
          AND column_name IN ('display_name', 'maker_fee_percent', 'taker_fee_percent')
    );
    exchange record;
BEGIN
    FOR exchange IN
        SELECT *
        FROM (VALUES
            ('lighter', 'Lighter'), ('aster', 'Aster'), ('backpack', 'Backpack'),
            ('paradex', 'Paradex'), ('edgex', 'edgeX'), ('grvt', 'GRVT'),
            ('hyperliquid', 'Hyperliquid')
        ) AS catalog (name, display_name)
    LOOP
        IF EXISTS (SELECT FROM public.dexes AS d WHERE d.name = exchange.name) THEN
            CONTINUE;
        ELSIF has_details THEN
            EXECUTE 'INSERT INTO public.dexes (name, display_name, maker_fee_percent, taker_fee_percent)
                     VALUES ($1, $2, 0, 0)' USING exchange.name, exchange.display_name;
        ELSE
            EXECUTE 'INSERT INTO public.dexes (name) VALUES ($1)' USING exchange.name;
        END IF;
    END LOOP;
END
$seed$;
