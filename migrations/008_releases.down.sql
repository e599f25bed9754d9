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
DROP TRIGGER IF EXISTS account_exchange_sharing_rules ON public.account_exchange_sharing;
DROP TRIGGER IF EXISTS account_exchange_credentials_lent ON public.account_exchange_credentials;
REVOKE ALL ON public.strategy_positions, public.symbols, public.dexes FROM registry_bot;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM registry_bot;
REVOKE ALL ON public.strategy_positions FROM registry_owner;
DROP FUNCTION IF EXISTS public.position_limits();
DROP FUNCTION IF EXISTS public.account_limit(jsonb, text);
DROP FUNCTION IF EXISTS public.sharing_check();
DROP FUNCTION IF EXISTS public.sharing_keeps_credential();
DROP FUNCTION IF EXISTS public.record_fallback(text, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS public.exchange_definition(text);
DROP FUNCTION IF EXISTS public.collect_releases(uuid[]);
DROP FUNCTION IF EXISTS public.request_release(text, text[], integer, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS public.release_hosts(uuid);
DROP FUNCTION IF EXISTS public.key_users(uuid, uuid, integer, uuid, integer);
DROP FUNCTION IF EXISTS public.recent_hosts(uuid, uuid, integer);
DROP FUNCTION IF EXISTS public.other_users(uuid, uuid, integer, uuid, integer);
DROP FUNCTION IF EXISTS public.append_release(
    uuid, text, uuid, json, text, text, uuid, integer, uuid, timestamptz);
DROP FUNCTION IF EXISTS public.session_account_locked(text);
DROP FUNCTION IF EXISTS public.session_account(text);
DROP FUNCTION IF EXISTS public.release_claim(text, integer);
DROP TABLE IF EXISTS public.release_collections;
DROP INDEX IF EXISTS public.audit_events_released_credential;
DROP FUNCTION IF EXISTS public.exchanges_of(uuid);
DROP FUNCTION IF EXISTS public.resolve_credential(uuid, integer, integer, text, text);
DROP FUNCTION IF EXISTS public.pick_credential(uuid, integer, integer, text);
DROP FUNCTION IF EXISTS public.session_is_bot();
DROP FUNCTION IF EXISTS public.session_accounts();
DROP FUNCTION IF EXISTS public.session_may_use(uuid);
DROP TABLE IF EXISTS public.account_access;
