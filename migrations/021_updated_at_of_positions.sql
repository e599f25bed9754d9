-- When a position was updated. Who owns it is bookkeeping of the registry, and no update of the bot's,
-- whatever trigger of its own the table has. And where the registry made the table, an update counts.

-- (As JSON, since a bot's own table may lack the column.)
CREATE OR REPLACE FUNCTION public.position_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept constant text[] := '{account_id, updated_at}';
BEGIN
    IF NEW.account_id IS DISTINCT FROM OLD.account_id AND to_jsonb(NEW) - kept = to_jsonb(OLD) - kept THEN
        NEW := jsonb_populate_record(NEW, jsonb_build_object('updated_at', to_jsonb(OLD) -> 'updated_at'));
    ELSIF obj_description(TG_RELID, 'pg_class') = 'Positions, in a table that the registry made.' THEN
        IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := now();
        END IF;
    END IF;
    RETURN NEW;
END
$$;
ALTER FUNCTION public.position_updated_at OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.position_updated_at FROM PUBLIC;

-- Triggers fire in the order of their names: after the bot's own.
CREATE OR REPLACE TRIGGER zzz_strategy_positions_updated_at
    BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW EXECUTE FUNCTION public.position_updated_at();

-- The registry made the table if it is younger than the table of migrations, which is made first,
-- and has the columns of the first migration and no trigger that is not the registry's.
DO $made$
BEGIN
    IF 'public.strategy_positions'::regclass::oid > 'public.registry_migrations'::regclass::oid
        AND (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = 'public.strategy_positions'::regclass AND a.attnum > 0
                 AND NOT a.attisdropped AND a.attname <> 'account_id') = ARRAY[
            'id', 'strategy_name', 'symbol_id', 'long_dex_id', 'short_dex_id', 'size_usd',
            'entry_long_rate', 'entry_short_rate', 'entry_divergence', 'opened_at',
            'current_divergence', 'last_check', 'status', 'rebalance_pending', 'rebalance_reason',
            'exit_reason', 'closed_at', 'pnl_usd', 'cumulative_funding_usd',
            'funding_payments_count', 'metadata', 'created_at', 'updated_at']
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgrelid = 'public.strategy_positions'::regclass AND NOT t.tgisinternal
                AND p.proowner <> 'registry_owner'::regrole)
        AND obj_description('public.strategy_positions'::regclass, 'pg_class') IS NULL
    THEN
        COMMENT ON TABLE public.strategy_positions IS 'Positions, in a table that the registry made.';
    END IF;
END
$made$;
