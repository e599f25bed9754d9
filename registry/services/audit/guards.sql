-- Definitions in the database, for comparison with the migrations.

-- name: triggers
-- Enabled triggers, with their tables and functions.
SELECT t.tgname::text, c.relname::text, p.proname::text
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
WHERE c.relnamespace = 'public'::regnamespace AND p.pronamespace = 'public'::regnamespace
    AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')

-- name: may_make_functions
-- Whether this login may create temporary functions, which other sessions cannot see.
SELECT has_database_privilege(current_database(), 'TEMPORARY')
    AND current_setting('transaction_read_only') = 'off'

-- name: qualify_names
-- With this, printed definitions name every schema, and equal texts mean equal objects.
SET LOCAL search_path = pg_catalog

-- name: changed_functions
-- The functions that differ from the temporary ones of the same names. The comparison starts at
-- the first parenthesis, since the schemas before it differ.
SELECT n.name
FROM unnest(%(names)s::text[]) AS n (name)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_proc AS t ON t.proname = p.proname
    WHERE p.proname = n.name AND p.pronamespace = 'public'::regnamespace
        AND t.pronamespace = pg_my_temp_schema()
        AND substr(pg_get_functiondef(p.oid), strpos(pg_get_functiondef(p.oid), '('))
            = substr(pg_get_functiondef(t.oid), strpos(pg_get_functiondef(t.oid), '(')))
ORDER BY n.name

-- name: row_security
SELECT c.relrowsecurity AND EXISTS (
    SELECT FROM pg_catalog.pg_policy AS p
    WHERE p.polrelid = c.oid AND p.polname = 'registry_bots_own' AND NOT p.polpermissive)
FROM pg_catalog.pg_class AS c
WHERE c.oid = 'public.strategy_positions'::regclass

-- name: plan
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM {source} AS v

-- name: renamed_exchanges
-- Exchanges whose oldest current credential was stored for an exchange of another name. (One
-- credential is enough: `dexes` has one name for all of them.)
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

-- name: unnamed_data_keys
-- The first data keys that no event names, each with the count of all.
SELECT k.id::text, k.credential_id::text, k.credential_version, count(*) OVER ()
FROM public.credential_data_keys AS k
WHERE NOT EXISTS (
    SELECT FROM public.audit_events AS e
    WHERE e.event_type IN ('CredentialAdded', 'CredentialReplaced')
        AND e.data ->> 'data_key_id' = k.id::text)
ORDER BY k.id
LIMIT 20
