-- The queries of taking the schema down and bringing it up.

-- name: tables
-- The given tables that exist.
SELECT t.name
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS t (name, n)
WHERE to_regclass('public.' || quote_ident(t.name)) IS NOT NULL
ORDER BY t.n

-- name: kept
-- The data that remains after a migration down.
SELECT h.size, (SELECT count(*) FROM public.credential_data_keys AS k)
FROM public.audit_head AS h

-- name: head_is_behind
-- Whether the head counts fewer events than there are. (If it counts more, events were lost.)
SELECT coalesce((SELECT h.size FROM public.audit_head AS h), 0)
    <= coalesce((SELECT max(e.position) FROM public.audit_events AS e), -1)

-- name: linked
SELECT count(*) FROM public.strategy_positions AS p WHERE p.account_id IS NOT NULL

-- name: references
-- Foreign keys of other programs' tables that refer to these tables. The registry's own foreign
-- key on the bot's positions is not listed: it comes and goes with its column.
SELECT format('%%I.%%I', n.nspname, r.relname), k.conname,
    pg_catalog.pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS r ON r.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace AND tn.nspname = 'public'
WHERE k.contype = 'f' AND k.conparentid = 0 AND t.relname = ANY(%(tables)s::text[])
    AND NOT (n.nspname = 'public' AND r.relname = ANY(%(tables)s::text[]))
    AND NOT (r.oid = to_regclass('public.strategy_positions') AND k.conkey = ARRAY[(
        SELECT a.attnum FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = r.oid AND a.attname = 'account_id')])
ORDER BY 1, 2

-- name: qualify_names
-- Makes constraint definitions name the schema of the tables they refer to.
SET LOCAL search_path = pg_catalog

-- name: lock_positions
LOCK TABLE public.strategy_positions IN ACCESS EXCLUSIVE MODE

-- name: owned_positions
SELECT p.id::text, p.account_id::text FROM public.strategy_positions AS p

-- name: is_down
-- Whether the log is there, and the tables are not.
SELECT to_regclass('public.accounts') IS NULL AND to_regclass('public.audit_head') IS NOT NULL

-- name: last_taken_down
-- The newest `SchemaTakenDown` event, which records what was dropped with the tables.
SELECT e.data
FROM public.audit_events AS e
WHERE e.stream_type = 'registry' AND e.stream_id = %(stream_id)s AND e.event_type = 'SchemaTakenDown'
ORDER BY e.stream_version DESC
LIMIT 1

-- name: check_no_bodies
-- A function may come before what it uses.
SET LOCAL check_function_bodies = off

-- name: lock_head
SELECT FROM public.audit_head AS h WHERE h.only_row FOR UPDATE

-- name: database_name
SELECT current_database()
