-- The limits of an account's positions, and what a bot sees and writes of them.
--
-- Errors: RG022 a position is beyond its account's limits, RG024 not permitted,
-- RG025 the account is inactive.

-- Keeps an account's open positions within its max_positions and max_exposure_usd. One
-- transaction at a time decides for an account (the lock), on what the others committed.
CREATE OR REPLACE FUNCTION public.position_limits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account record;
    others record;
    most_positions numeric;
    most_exposure numeric;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        IF public.session_is_bot()
            AND NOT pg_has_role(session_user, 'registry_operator', 'MEMBER') THEN
            RAISE EXCEPTION USING ERRCODE = 'RG024',
                MESSAGE = 'a bot cannot give a position to another account',
                HINT = 'Use: account-registry link-positions';
        END IF;
        -- Linking what exists is bookkeeping, not trading.
        RETURN NEW;
    ELSIF NEW.account_id IS NULL OR NEW.status = 'closed' THEN
        RETURN NEW;
    -- A size below zero is as much exposure as one above, and makes no room for another.
    ELSIF TG_OP = 'UPDATE' AND OLD.status IS DISTINCT FROM 'closed'
        AND abs(NEW.size_usd) <= abs(OLD.size_usd) THEN
        RETURN NEW;
    ELSIF current_setting('transaction_isolation') = 'repeatable read' THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = 'limits cannot be kept in a repeatable read transaction',
            HINT = 'Use read committed (the default) or serializable.';
    END IF;
    -- Row security refuses it too, but only after this: first the errors below would tell
    -- another account's name and limits.
    IF public.session_is_bot() AND NOT public.session_may_use(NEW.account_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = 'a bot opens positions of its own accounts only',
            HINT = 'Give its role the account with: account-registry grant-access';
    END IF;
    PERFORM pg_advisory_xact_lock(7234117, hashtext(NEW.account_id::text));
    SELECT a.account_name, a.is_active, a.metadata INTO account
    FROM public.accounts AS a WHERE a.id = NEW.account_id;
    IF NOT FOUND THEN
        RETURN NEW;  -- the foreign key says so
    ELSIF NOT account.is_active THEN
        RAISE EXCEPTION USING ERRCODE = 'RG025',
            MESSAGE = format('account %s is inactive', account.account_name),
            HINT = 'Positions can be closed, not opened or enlarged.';
    END IF;
    most_positions := public.account_limit(account.metadata, 'max_positions');
    most_exposure := public.account_limit(account.metadata, 'max_exposure_usd');
    SELECT count(*) AS number, coalesce(sum(abs(p.size_usd)), 0) AS exposure INTO others
    FROM public.strategy_positions AS p
    WHERE p.account_id = NEW.account_id AND p.status IS DISTINCT FROM 'closed' AND p.id <> NEW.id;
    IF others.number + 1 > most_positions THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = format('account %s has %s open positions, and max_positions is %s',
                account.account_name, others.number, most_positions),
            HINT = 'Close one, or change the limit with: account-registry update-account --metadata';
    ELSIF others.exposure + abs(NEW.size_usd) > most_exposure THEN
        RAISE EXCEPTION USING ERRCODE = 'RG022',
            MESSAGE = format('account %s would have %s USD in open positions, and max_exposure_usd is %s',
                account.account_name, trim_scale(others.exposure + abs(NEW.size_usd)), most_exposure),
            HINT = 'Close one, or change the limit with: account-registry update-account --metadata';
    END IF;
    RETURN NEW;
END
$$;
ALTER FUNCTION public.position_limits OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.position_limits FROM PUBLIC;

-- A limit of an account's metadata; NULL if there is none.
CREATE OR REPLACE FUNCTION public.account_limit(p_metadata jsonb, p_name text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (p_metadata ->> p_name)::numeric;
EXCEPTION WHEN invalid_text_representation THEN
    RAISE EXCEPTION USING ERRCODE = 'RG022',
        MESSAGE = format('%s in the account''s metadata is not a number', p_name),
        HINT = 'Correct it with: account-registry update-account --metadata';
END
$$;
ALTER FUNCTION public.account_limit OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.account_limit FROM PUBLIC;

CREATE OR REPLACE TRIGGER strategy_positions_insert_limits
    BEFORE INSERT ON public.strategy_positions
    FOR EACH ROW WHEN (NEW.account_id IS NOT NULL)
    EXECUTE FUNCTION public.position_limits();
CREATE OR REPLACE TRIGGER strategy_positions_update_limits
    BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW WHEN (
        NEW.account_id IS DISTINCT FROM OLD.account_id
        OR NEW.size_usd IS DISTINCT FROM OLD.size_usd
        OR NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION public.position_limits();

-- A bot sees and writes the positions of its accounts only. Row security is enabled and
-- not forced: the table's owner is not affected, and the permissive policy leaves every
-- other role as it was. Where the table had row security already, its own policies stay
-- the ones that permit.
DO $policies$
BEGIN
    IF NOT (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c
            WHERE c.oid = 'public.strategy_positions'::regclass) THEN
        ALTER TABLE public.strategy_positions ENABLE ROW LEVEL SECURITY;
        CREATE POLICY registry_everyone ON public.strategy_positions USING (TRUE) WITH CHECK (TRUE);
    END IF;
    DROP POLICY IF EXISTS registry_bots_own ON public.strategy_positions;
    CREATE POLICY registry_bots_own ON public.strategy_positions AS RESTRICTIVE
        USING ((SELECT NOT public.session_is_bot())
            OR account_id IN (SELECT public.session_accounts()));
END
$policies$;

GRANT SELECT, INSERT, UPDATE ON public.strategy_positions TO registry_bot;
GRANT SELECT, INSERT ON public.symbols TO registry_bot;
GRANT SELECT ON public.dexes TO registry_bot;
GRANT SELECT ON public.strategy_positions TO registry_owner;
DO $sequence$
DECLARE
    sequence text := pg_get_serial_sequence('public.symbols', 'id');
BEGIN
    IF sequence IS NOT NULL THEN
        EXECUTE 'GRANT USAGE ON SEQUENCE ' || sequence || ' TO registry_bot';
    END IF;
END
$sequence$;
