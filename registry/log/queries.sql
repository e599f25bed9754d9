-- Reading the log, and the call that appends.

-- name: append
SELECT public.append_event(
    %(event_id)s, %(stream_type)s, %(stream_id)s, %(expected_version)s, %(event_type)s,
    %(schema_version)s, %(data)s::json, %(actor)s, %(reason)s, %(command_id)s,
    %(command_index)s, %(command_digest)s, %(related_account_id)s, %(occurred_at)s
)

-- name: stream
-- All events of a stream, oldest first.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data::text
FROM public.audit_events AS e
WHERE e.stream_type = %(stream_type)s AND e.stream_id = %(stream_id)s
ORDER BY e.stream_version

-- name: size
SELECT h.size FROM public.audit_head AS h

-- name: events_before
-- The number of events recorded before a moment. The recorded time never goes back from one
-- event to the next, so a binary search finds the number.
WITH RECURSIVE search (low, high) AS (
    SELECT (-1)::bigint, h.size FROM public.audit_head AS h
    UNION ALL
    SELECT CASE WHEN t.recorded_at < %(moment)s THEN t.position ELSE s.low END,
        CASE WHEN t.recorded_at < %(moment)s THEN s.high ELSE t.position END
    FROM search AS s
    JOIN public.audit_trail AS t ON t.position = (s.low + s.high) / 2
    WHERE s.high - s.low > 1
)
SELECT s.high FROM search AS s WHERE s.high - s.low <= 1

-- name: stream_versions
-- The version of each of these streams before a position, 0 for one without events.
SELECT wanted.stream_type, wanted.stream_id, coalesce(newest.stream_version, 0)
FROM unnest(%(stream_types)s::text[], %(stream_ids)s::uuid[]) AS wanted (stream_type, stream_id)
LEFT JOIN LATERAL (
    SELECT e.stream_version
    FROM public.audit_events AS e
    WHERE e.stream_type = wanted.stream_type AND e.stream_id = wanted.stream_id
        AND e.position < %(before)s
    ORDER BY e.stream_version DESC
    LIMIT 1
) AS newest ON TRUE

-- name: account_stream_by_name
-- All events of the account that has this name now.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data::text
FROM public.audit_events AS e
WHERE e.stream_type = 'account'
    AND e.stream_id = (SELECT a.id FROM public.accounts AS a WHERE a.account_name = %(account_name)s)
ORDER BY e.stream_version

-- name: command
-- The events of a command, if it was applied.
SELECT e.position, e.event_type, e.stream_id, e.command_digest
FROM public.audit_events AS e
WHERE e.command_id = %(command_id)s
ORDER BY e.command_index
