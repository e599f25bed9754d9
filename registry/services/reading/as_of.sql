-- Reading the past, with no more rights than a reader of the log has.

-- name: streams_by_name
-- The events, up to a position, of every account that has or had this name.
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text,
    -- Fingerprints stand in for the tokens: a replay only needs the names of the fields.
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
-- The number of events that each account had at a position.
SELECT e.stream_id::text, max(e.stream_version)
FROM public.audit_trail AS e
WHERE e.stream_type = 'account' AND e.position <= %(position)s
GROUP BY e.stream_id
