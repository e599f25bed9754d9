-- The three tables of accounts, credentials and sharing, and the link from a position
-- to its account. They are projections: every value in them comes from an event, the
-- timestamps (UTC) too, so they can be dropped and built again from the log.

CREATE TABLE IF NOT EXISTS public.accounts (
    id UUID PRIMARY KEY,
    account_name VARCHAR(255) UNIQUE NOT NULL
        CONSTRAINT accounts_account_name_is_clean CHECK (
            account_name <> '' AND account_name = btrim(account_name)
            AND account_name !~ '[[:cntrl:]]'),
    wallet_address VARCHAR(255),
    description TEXT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    metadata JSONB NOT NULL DEFAULT '{}'::jsonb
        CONSTRAINT accounts_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object')
);

CREATE INDEX IF NOT EXISTS idx_accounts_name ON public.accounts (account_name);
CREATE INDEX IF NOT EXISTS idx_accounts_active ON public.accounts (is_active) WHERE is_active = TRUE;

CREATE TABLE IF NOT EXISTS public.account_exchange_credentials (
    id UUID PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES public.accounts (id) ON DELETE CASCADE,
    -- An exchange in use cannot be deleted from under its credentials.
    exchange_id INTEGER NOT NULL REFERENCES public.dexes (id) ON DELETE RESTRICT,
    -- Fernet tokens under a key that is bound to the slot and the field.
    api_key_encrypted TEXT,
    secret_key_encrypted TEXT,
    additional_credentials_encrypted JSONB
        CONSTRAINT account_exchange_credentials_additional_is_object
        CHECK (jsonb_typeof(additional_credentials_encrypted) = 'object'),
    exchange_account_id VARCHAR(255),
    subaccount_index INTEGER
        CONSTRAINT account_exchange_credentials_subaccount_index_check CHECK (subaccount_index >= 0),
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    last_used TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    permission VARCHAR(20) NOT NULL DEFAULT 'full'
        CONSTRAINT account_exchange_credentials_permission_check
        CHECK (permission IN ('full', 'read_only')),
    version INTEGER NOT NULL CHECK (version > 0),
    data_key_id UUID NOT NULL,
    label VARCHAR(255),
    expires_at TIMESTAMP,
    ip_allow_list JSONB
        CONSTRAINT account_exchange_credentials_ip_allow_list_is_array
        CHECK (jsonb_typeof(ip_allow_list) = 'array'),
    -- One credential per slot; two rows without a subaccount are the same slot.
    CONSTRAINT account_exchange_credentials_slot
        UNIQUE NULLS NOT DISTINCT (account_id, exchange_id, subaccount_index, permission),
    CONSTRAINT account_exchange_credentials_has_a_field CHECK (
        api_key_encrypted IS NOT NULL OR secret_key_encrypted IS NOT NULL
        OR additional_credentials_encrypted IS NOT NULL)
);

CREATE INDEX IF NOT EXISTS idx_account_creds_account
    ON public.account_exchange_credentials (account_id);
CREATE INDEX IF NOT EXISTS idx_account_creds_exchange
    ON public.account_exchange_credentials (exchange_id);
CREATE INDEX IF NOT EXISTS idx_account_creds_active
    ON public.account_exchange_credentials (is_active) WHERE is_active = TRUE;
CREATE INDEX IF NOT EXISTS idx_account_creds_composite
    ON public.account_exchange_credentials (account_id, exchange_id);

CREATE TABLE IF NOT EXISTS public.account_exchange_sharing (
    id UUID PRIMARY KEY,
    -- The borrower, and the lender whose credential it may use.
    primary_account_id UUID NOT NULL REFERENCES public.accounts (id) ON DELETE CASCADE,
    shared_account_id UUID NOT NULL REFERENCES public.accounts (id) ON DELETE RESTRICT,
    exchange_id INTEGER NOT NULL REFERENCES public.dexes (id) ON DELETE RESTRICT,
    sharing_type VARCHAR(50) NOT NULL DEFAULT 'full'
        CONSTRAINT account_exchange_sharing_type_check
        CHECK (sharing_type IN ('full', 'read_only', 'positions_only')),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    CONSTRAINT account_exchange_sharing_not_with_itself
        CHECK (primary_account_id <> shared_account_id),
    UNIQUE (primary_account_id, exchange_id)
);

CREATE INDEX IF NOT EXISTS idx_account_sharing_primary
    ON public.account_exchange_sharing (primary_account_id);
CREATE INDEX IF NOT EXISTS idx_account_sharing_shared
    ON public.account_exchange_sharing (shared_account_id);
CREATE INDEX IF NOT EXISTS idx_account_sharing_exchange
    ON public.account_exchange_sharing (exchange_id);

-- An account that owns a position cannot be deleted from under it.
ALTER TABLE public.strategy_positions
    ADD COLUMN IF NOT EXISTS account_id UUID REFERENCES public.accounts (id) ON DELETE RESTRICT;

CREATE INDEX IF NOT EXISTS idx_positions_account ON public.strategy_positions (account_id);
CREATE INDEX IF NOT EXISTS idx_positions_account_status
    ON public.strategy_positions (account_id, status);

COMMENT ON TABLE public.accounts IS
    'Trading accounts or bots. A projection of audit_events: change it by command, not by SQL.';
COMMENT ON TABLE public.account_exchange_credentials IS
    'Encrypted exchange credentials per account. A projection of audit_events.';
COMMENT ON TABLE public.account_exchange_sharing IS
    'Which borrower may use which lender''s credential. A projection of audit_events.';
COMMENT ON COLUMN public.account_exchange_credentials.permission IS
    'What the key can do at the exchange: full or read_only.';
COMMENT ON COLUMN public.account_exchange_sharing.sharing_type IS
    'What the borrower may do: full, read_only (queries) or positions_only.';
COMMENT ON COLUMN public.strategy_positions.account_id IS
    'The account that owns the position (NULL for positions older than accounts).';
