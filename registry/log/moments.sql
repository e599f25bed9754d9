-- From moments to positions.

-- name: events_before
-- How many events were recorded before a moment. The database's clock never goes back from
-- one event to the next, so a binary search finds it.
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
