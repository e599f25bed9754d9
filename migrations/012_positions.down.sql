DROP POLICY IF EXISTS registry_bots_own ON public.strategy_positions;
DO $policies$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_policies AS p
               WHERE p.schemaname = 'public' AND p.tablename = 'strategy_positions'
                   AND p.policyname = 'registry_everyone') THEN
        DROP POLICY registry_everyone ON public.strategy_positions;
        -- Somebody's own policies, made since, would permit nothing without it.
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_policies AS p
                       WHERE p.schemaname = 'public' AND p.tablename = 'strategy_positions') THEN
            ALTER TABLE public.strategy_positions DISABLE ROW LEVEL SECURITY;
        END IF;
    END IF;
END
$policies$;
DROP TRIGGER IF EXISTS strategy_positions_insert_limits ON public.strategy_positions;
DROP TRIGGER IF EXISTS strategy_positions_update_limits ON public.strategy_positions;
REVOKE ALL ON public.strategy_positions, public.symbols, public.dexes FROM registry_bot;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM registry_bot;
REVOKE ALL ON public.strategy_positions FROM registry_owner;
DROP FUNCTION IF EXISTS public.position_limits();
DROP FUNCTION IF EXISTS public.account_limit(jsonb, text);
