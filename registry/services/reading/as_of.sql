-- Reading the past, as everybody may who may look at the log.

-- name: last_position
SELECT h.size - 1 FROM public.audit_head AS h

-- name: position_at
-- The last event that was recorded at or before a moment, -1 if none. The database's clock
-- never goes back from one event to the next, so a binary search finds it.
WITH RECURSIVE search (low, high) AS (
    SELECT (-1)::bigint, h.size FROM public.audit_head AS h
    UNION ALL
    SELECT CASE WHEN e.recorded_at <= %(moment)s THEN e.position ELSE s.low END,
        CASE WHEN e.recorded_at <= %(moment)s THEN s.high ELSE e.position END
    FROM search AS s
    JOIN public.audit_trail AS e ON e.position = (s.low + s.high) / 2
    WHERE s.high - s.low > 1
)
SELECT s.low FROM search AS s WHERE s.high - s.low <= 1

-- name: streams_by_name
-- The events, up to a position, of every account that has or had this name.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text,
    -- In place of the tokens, which nobody needs here: a row has the fields that it had.
    CASE WHEN e.data ? 'fingerprints'
        THEN e.data || jsonb_build_object('tokens', e.data -> 'fingerprints') ELSE e.data END
FROM public.audit_trail AS e
WHERE e.stream_type = 'account' AND e.position <= %(position)s
    AND e.stream_id = ANY(ARRAY(
        SELECT a.id FROM public.accounts AS a WHERE a.account_name = %(account_name)s
        UNION
        SELECT f.stream_id FROM public.former_names AS f
        WHERE f.former_name = %(account_name)s))
ORDER BY e.stream_id, e.stream_version

-- name: versions
-- How many events each account had at a position.
SELECT e.stream_id::text, max(e.stream_version)
FROM public.audit_trail AS e
WHERE e.stream_type = 'account' AND e.position <= %(position)s
GROUP BY e.stream_id
