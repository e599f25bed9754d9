-- What a rebuild says to the database.

-- name: tail
-- The events from a position on.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data
FROM public.audit_events AS e
WHERE e.position >= %(size)s
ORDER BY e.position

-- name: unowned_positions
-- Which of these positions exist and have no owner.
SELECT p.id::text
FROM public.strategy_positions AS p
WHERE p.id = ANY(%(positions)s::uuid[]) AND p.account_id IS NULL

-- name: linked_positions
-- Which of these positions belong to an account now, by account.
SELECT p.account_id, array_agg(p.id ORDER BY p.id)
FROM public.strategy_positions AS p
JOIN public.accounts AS a ON a.id = p.account_id
WHERE p.id = ANY(%(positions)s::uuid[])
GROUP BY p.account_id
ORDER BY p.account_id
