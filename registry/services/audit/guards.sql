-- What stands in the database, to be compared with the migrations.

-- name: triggers
-- Those that fire, with their table and function.
SELECT t.tgname::text, c.relname::text, p.proname::text
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
WHERE c.relnamespace = 'public'::regnamespace AND p.pronamespace = 'public'::regnamespace
    AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')

-- name: functions
SELECT p.proname::text, p.prosrc
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (%(names)s)

-- name: row_security
SELECT c.relrowsecurity AND EXISTS (
    SELECT FROM pg_catalog.pg_policy AS p
    WHERE p.polrelid = c.oid AND p.polname = 'registry_bots_own' AND NOT p.polpermissive)
FROM pg_catalog.pg_class AS c
WHERE c.oid = 'public.strategy_positions'::regclass

-- name: plan
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM {source} AS v

-- name: renamed_exchanges
-- Exchanges whose first credential of today was stored for one of another name. (One is enough:
-- the name stands in `dexes` once for all.)
SELECT told.position, d.name, told.exchange
FROM public.dexes AS d
CROSS JOIN LATERAL (
    SELECT c.id, c.account_id FROM public.account_exchange_credentials AS c
    WHERE c.exchange_id = d.id
    ORDER BY c.created_at
    LIMIT 1) AS c
CROSS JOIN LATERAL (
    SELECT e.position, e.data ->> 'exchange' AS exchange FROM public.audit_events AS e
    WHERE e.stream_type = 'account' AND e.stream_id = c.account_id
        AND e.data ->> 'credential_id' = c.id::text
    ORDER BY e.stream_version
    LIMIT 1) AS told
WHERE told.exchange <> d.name
ORDER BY d.name
