-- Queries of a rebuild.

-- name: tail
-- The events at the end of the log, from a position on.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data
FROM public.audit_events AS e
WHERE e.position >= %(size)s
ORDER BY e.position

-- name: unowned_positions
-- The positions among the given ones that exist and have no owner.
SELECT p.id::text
FROM public.strategy_positions AS p
WHERE p.id = ANY(%(positions)s::uuid[]) AND p.account_id IS NULL

-- name: linked_positions
-- The positions among the given ones that have an owner now, by account.
SELECT p.account_id, array_agg(p.id ORDER BY p.id)
FROM public.strategy_positions AS p
JOIN public.accounts AS a ON a.id = p.account_id
WHERE p.id = ANY(%(positions)s::uuid[])
GROUP BY p.account_id
ORDER BY p.account_id

-- name: releases_are_indexed
SELECT to_regprocedure('public.newest_releases(bigint)') IS NOT NULL AND coalesce(
    (SELECT x.indisvalid FROM pg_catalog.pg_index AS x
     WHERE x.indexrelid = to_regclass('public.audit_events_by_holder')), FALSE)

-- name: newest_releases
SELECT public.newest_releases(%(size)s)
