-- The three tables of accounts, credentials and sharing, and the link from a position
-- to its account. They are projections: every value in them comes from an event, the
-- timestamps (UTC) too, so they can be dropped and built again from the log.
--
-- A bot's database may have these tables already, made by hand, with rows in them. Then
-- they keep every row as it is, and get the columns that they lack; the rules that their
-- rows may break (projections_tighten) come into force when `adopt` has taken the rows
-- into the log. Until then the guards of the next migration keep the rows from changing.

CREATE TABLE IF NOT EXISTS public.accounts ();
CREATE TABLE IF NOT EXISTS public.account_exchange_credentials ();
CREATE TABLE IF NOT EXISTS public.account_exchange_sharing ();

-- The registry's own columns are those that its operators may fill; whatever other columns a
-- table has are somebody else's. (projections_loosen goes by that, so a later migration that adds
-- a column grants it, and no more.)
DO $columns$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT *
        FROM (VALUES
            ('accounts', 'id', 'UUID PRIMARY KEY'),
            ('accounts', 'account_name', 'VARCHAR(255) NOT NULL'),
            ('accounts', 'wallet_address', 'VARCHAR(255)'),
            ('accounts', 'description', 'TEXT'),
            ('accounts', 'is_active', 'BOOLEAN DEFAULT TRUE'),
            ('accounts', 'created_at', 'TIMESTAMP'),
            ('accounts', 'updated_at', 'TIMESTAMP'),
            ('accounts', 'metadata', 'JSONB'),
            ('account_exchange_credentials', 'id', 'UUID PRIMARY KEY'),
            ('account_exchange_credentials', 'account_id', 'UUID NOT NULL'),
            ('account_exchange_credentials', 'exchange_id', 'INTEGER NOT NULL'),
            -- Fernet tokens under a key that is bound to the slot and the field.
            ('account_exchange_credentials', 'api_key_encrypted', 'TEXT'),
            ('account_exchange_credentials', 'secret_key_encrypted', 'TEXT'),
            ('account_exchange_credentials', 'additional_credentials_encrypted', 'JSONB'),
            ('account_exchange_credentials', 'exchange_account_id', 'VARCHAR(255)'),
            ('account_exchange_credentials', 'subaccount_index', 'INTEGER'),
            ('account_exchange_credentials', 'is_active', 'BOOLEAN DEFAULT TRUE'),
            ('account_exchange_credentials', 'last_used', 'TIMESTAMP'),
            ('account_exchange_credentials', 'created_at', 'TIMESTAMP'),
            ('account_exchange_credentials', 'updated_at', 'TIMESTAMP'),
            ('account_exchange_credentials', 'permission', $$VARCHAR(20) NOT NULL DEFAULT 'full'$$),
            ('account_exchange_credentials', 'version', 'INTEGER'),
            ('account_exchange_credentials', 'data_key_id', 'UUID'),
            ('account_exchange_credentials', 'label', 'VARCHAR(255)'),
            ('account_exchange_credentials', 'expires_at', 'TIMESTAMP'),
            ('account_exchange_credentials', 'ip_allow_list', 'JSONB'),
            ('account_exchange_sharing', 'id', 'UUID PRIMARY KEY'),
            -- The borrower, and the lender whose credential it may use.
            ('account_exchange_sharing', 'primary_account_id', 'UUID NOT NULL'),
            ('account_exchange_sharing', 'shared_account_id', 'UUID NOT NULL'),
            ('account_exchange_sharing', 'exchange_id', 'INTEGER NOT NULL'),
            ('account_exchange_sharing', 'sharing_type', 'VARCHAR(50)'),
            ('account_exchange_sharing', 'created_at', 'TIMESTAMP'),
            ('account_exchange_sharing', 'updated_at', 'TIMESTAMP')
        ) AS own (on_table, name, type)
    LOOP
        EXECUTE format('ALTER TABLE public.%I ADD COLUMN IF NOT EXISTS %I %s',
            wanted.on_table, wanted.name, wanted.type);
        EXECUTE format('GRANT INSERT (%1$I), UPDATE (%1$I) ON public.%2$I TO registry_operator',
            wanted.name, wanted.on_table);
    END LOOP;
END
$columns$;
ALTER TABLE public.strategy_positions ADD COLUMN IF NOT EXISTS account_id UUID;
GRANT UPDATE (account_id) ON public.strategy_positions TO registry_operator;

-- Triggers that set updated_at would rewrite what follows from events.
DO $triggers$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT t.tgname AS name, t.tgrelid::regclass AS on_table
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND p.prosrc ~* 'new\.updated_at\s*:?='
            AND t.tgrelid IN ('public.accounts'::regclass,
                'public.account_exchange_credentials'::regclass,
                'public.account_exchange_sharing'::regclass)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', found.name, found.on_table);
    END LOOP;
END
$triggers$;

-- Takes away constraints and indexes on the registry's own columns, whoever made them:
-- to write many rows, before projections_tighten. What another table refers to stays.
CREATE OR REPLACE FUNCTION public.projections_loosen() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    own_columns constant text[] := ARRAY(
        SELECT format('%s.%s', a.attrelid, a.attnum)
        FROM pg_attribute AS a
        WHERE a.attrelid IN ('public.accounts'::regclass,
                'public.account_exchange_credentials'::regclass,
                'public.account_exchange_sharing'::regclass,
                'public.strategy_positions'::regclass)
            AND EXISTS (
                SELECT FROM aclexplode(a.attacl) AS g
                WHERE g.grantee = 'registry_operator'::regrole AND g.privilege_type = 'UPDATE'));
BEGIN
    FOR found IN
        SELECT k.conrelid::regclass AS on_table, k.conname AS name
        FROM pg_constraint AS k
        WHERE k.contype IN ('c', 'f', 'u')
            AND (k.conrelid IN ('public.accounts'::regclass,
                    'public.account_exchange_credentials'::regclass,
                    'public.account_exchange_sharing'::regclass)
                OR k.conrelid = 'public.strategy_positions'::regclass
                    AND k.contype = 'f' AND k.confrelid = 'public.accounts'::regclass)
            AND own_columns @> ARRAY(
                SELECT format('%s.%s', a.attrelid, a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
            AND NOT EXISTS (
                SELECT FROM pg_constraint AS r
                WHERE r.contype = 'f' AND k.contype = 'u' AND r.conindid = k.conindid)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.on_table, found.name);
    END LOOP;
    FOR found IN
        SELECT i.indexrelid::regclass AS name
        FROM pg_index AS i
        WHERE i.indrelid IN ('public.accounts'::regclass,
                'public.account_exchange_credentials'::regclass,
                'public.account_exchange_sharing'::regclass)
            AND NOT i.indisprimary
            AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
            AND own_columns @> ARRAY(
                SELECT format('%s.%s', d.refobjid, d.refobjsubid)
                FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                    AND d.refobjid = i.indrelid AND d.refobjsubid > 0)
    LOOP
        EXECUTE format('DROP INDEX %s', found.name);
    END LOOP;
END
$$;
ALTER FUNCTION public.projections_loosen OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projections_loosen FROM PUBLIC;

-- Puts all rules in force. Fails, and changes nothing, if a row breaks one. Each migration that
-- has rules has them in a function of its own, projections_tighten_NNN. (One that comes later calls
-- its own at once where those of this one are in force already.)
CREATE OR REPLACE FUNCTION public.projections_tighten() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regproc;
BEGIN
    FOR part IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.pronargs = 0
            AND p.proowner = 'registry_owner'::regrole AND p.proname ~ '^projections_tighten_[0-9]+$'
        ORDER BY p.proname
    LOOP
        EXECUTE format('SELECT %s()', part);
    END LOOP;
END
$$;
ALTER FUNCTION public.projections_tighten OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projections_tighten FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.projections_tighten_006() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ALTER TABLE public.accounts
        ALTER COLUMN id DROP DEFAULT,
        ALTER COLUMN account_name SET NOT NULL,
        ALTER COLUMN is_active SET DEFAULT TRUE,
        ALTER COLUMN is_active SET NOT NULL,
        ALTER COLUMN created_at DROP DEFAULT,
        ALTER COLUMN created_at SET NOT NULL,
        ALTER COLUMN updated_at DROP DEFAULT,
        ALTER COLUMN updated_at SET NOT NULL,
        ALTER COLUMN metadata SET DEFAULT '{}'::jsonb,
        ALTER COLUMN metadata SET NOT NULL,
        ADD CONSTRAINT accounts_account_name_is_clean CHECK (
            account_name <> '' AND account_name = btrim(account_name)
            AND account_name !~ '[[:cntrl:]]'),
        ADD CONSTRAINT accounts_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object');
    IF NOT EXISTS (
        SELECT FROM pg_constraint AS k
        WHERE k.conrelid = 'public.accounts'::regclass AND k.conname = 'accounts_account_name_key'
    ) THEN
        ALTER TABLE public.accounts
            ADD CONSTRAINT accounts_account_name_key UNIQUE (account_name);
    END IF;
    CREATE INDEX IF NOT EXISTS idx_accounts_name ON public.accounts (account_name);
    CREATE INDEX IF NOT EXISTS idx_accounts_active
        ON public.accounts (is_active) WHERE is_active = TRUE;

    ALTER TABLE public.account_exchange_credentials
        ALTER COLUMN id DROP DEFAULT,
        ALTER COLUMN account_id SET NOT NULL,
        ALTER COLUMN exchange_id SET NOT NULL,
        ALTER COLUMN is_active SET DEFAULT TRUE,
        ALTER COLUMN is_active SET NOT NULL,
        ALTER COLUMN created_at DROP DEFAULT,
        ALTER COLUMN created_at SET NOT NULL,
        ALTER COLUMN updated_at DROP DEFAULT,
        ALTER COLUMN updated_at SET NOT NULL,
        ALTER COLUMN version SET NOT NULL,
        ALTER COLUMN data_key_id SET NOT NULL,
        ADD CONSTRAINT account_exchange_credentials_account_id_fkey
            FOREIGN KEY (account_id) REFERENCES public.accounts (id) ON DELETE CASCADE,
        -- An exchange in use cannot be deleted from under its credentials.
        ADD CONSTRAINT account_exchange_credentials_exchange_id_fkey
            FOREIGN KEY (exchange_id) REFERENCES public.dexes (id) ON DELETE RESTRICT,
        ADD CONSTRAINT account_exchange_credentials_additional_is_object
            CHECK (jsonb_typeof(additional_credentials_encrypted) = 'object'),
        ADD CONSTRAINT account_exchange_credentials_subaccount_index_check
            CHECK (subaccount_index >= 0),
        ADD CONSTRAINT account_exchange_credentials_permission_check
            CHECK (permission IN ('full', 'read_only')),
        ADD CONSTRAINT account_exchange_credentials_version_check CHECK (version > 0),
        ADD CONSTRAINT account_exchange_credentials_ip_allow_list_is_array
            CHECK (jsonb_typeof(ip_allow_list) = 'array'),
        -- One credential per slot; two rows without a subaccount are the same slot.
        ADD CONSTRAINT account_exchange_credentials_slot
            UNIQUE NULLS NOT DISTINCT (account_id, exchange_id, subaccount_index, permission),
        ADD CONSTRAINT account_exchange_credentials_has_a_field CHECK (
            api_key_encrypted IS NOT NULL OR secret_key_encrypted IS NOT NULL
            OR additional_credentials_encrypted IS NOT NULL);
    CREATE INDEX IF NOT EXISTS idx_account_creds_account
        ON public.account_exchange_credentials (account_id);
    CREATE INDEX IF NOT EXISTS idx_account_creds_exchange
        ON public.account_exchange_credentials (exchange_id);
    CREATE INDEX IF NOT EXISTS idx_account_creds_active
        ON public.account_exchange_credentials (is_active) WHERE is_active = TRUE;
    CREATE INDEX IF NOT EXISTS idx_account_creds_composite
        ON public.account_exchange_credentials (account_id, exchange_id);

    ALTER TABLE public.account_exchange_sharing
        ALTER COLUMN id DROP DEFAULT,
        ALTER COLUMN primary_account_id SET NOT NULL,
        ALTER COLUMN shared_account_id SET NOT NULL,
        ALTER COLUMN exchange_id SET NOT NULL,
        ALTER COLUMN sharing_type SET DEFAULT 'full',
        ALTER COLUMN sharing_type SET NOT NULL,
        ALTER COLUMN created_at DROP DEFAULT,
        ALTER COLUMN created_at SET NOT NULL,
        ALTER COLUMN updated_at DROP DEFAULT,
        ALTER COLUMN updated_at SET NOT NULL,
        ADD CONSTRAINT account_exchange_sharing_primary_account_id_fkey
            FOREIGN KEY (primary_account_id) REFERENCES public.accounts (id) ON DELETE CASCADE,
        ADD CONSTRAINT account_exchange_sharing_shared_account_id_fkey
            FOREIGN KEY (shared_account_id) REFERENCES public.accounts (id) ON DELETE RESTRICT,
        ADD CONSTRAINT account_exchange_sharing_exchange_id_fkey
            FOREIGN KEY (exchange_id) REFERENCES public.dexes (id) ON DELETE RESTRICT,
        ADD CONSTRAINT account_exchange_sharing_type_check
            CHECK (sharing_type IN ('full', 'read_only', 'positions_only')),
        ADD CONSTRAINT account_exchange_sharing_not_with_itself
            CHECK (primary_account_id <> shared_account_id),
        ADD CONSTRAINT account_exchange_sharing_primary_account_id_exchange_id_key
            UNIQUE (primary_account_id, exchange_id);
    CREATE INDEX IF NOT EXISTS idx_account_sharing_primary
        ON public.account_exchange_sharing (primary_account_id);
    CREATE INDEX IF NOT EXISTS idx_account_sharing_shared
        ON public.account_exchange_sharing (shared_account_id);
    CREATE INDEX IF NOT EXISTS idx_account_sharing_exchange
        ON public.account_exchange_sharing (exchange_id);

    -- An account that owns a position cannot be deleted from under it.
    ALTER TABLE public.strategy_positions
        ADD CONSTRAINT strategy_positions_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES public.accounts (id) ON DELETE RESTRICT;
    CREATE INDEX IF NOT EXISTS idx_positions_account ON public.strategy_positions (account_id);
    CREATE INDEX IF NOT EXISTS idx_positions_account_status
        ON public.strategy_positions (account_id, status);
END
$$;
ALTER FUNCTION public.projections_tighten_006 OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projections_tighten_006 FROM PUBLIC;

DO $rules$
BEGIN
    IF NOT EXISTS (SELECT FROM public.accounts)
        AND NOT EXISTS (SELECT FROM public.account_exchange_credentials)
        AND NOT EXISTS (SELECT FROM public.account_exchange_sharing)
        AND NOT EXISTS (SELECT FROM public.strategy_positions AS p WHERE p.account_id IS NOT NULL)
    THEN
        PERFORM public.projections_loosen();
        PERFORM public.projections_tighten();
    END IF;
END
$rules$;

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
