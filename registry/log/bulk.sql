-- Appending very many events at once; needs the rights of registry_owner.

-- name: lock_head
SELECT h.size, h.peaks, h.appended_at
FROM public.audit_head AS h
FOR UPDATE

-- name: now_and_user
SELECT greatest(clock_timestamp(), %(appended_at)s), session_user::text

-- name: stream_versions
-- The version of each of these streams, 0 for one without events.
SELECT wanted.stream_type, wanted.stream_id, coalesce(newest.stream_version, 0)
FROM unnest(%(stream_types)s::text[], %(stream_ids)s::uuid[]) AS wanted (stream_type, stream_id)
LEFT JOIN LATERAL (
    SELECT e.stream_version
    FROM public.audit_events AS e
    WHERE e.stream_type = wanted.stream_type AND e.stream_id = wanted.stream_id
    ORDER BY e.stream_version DESC
    LIMIT 1
) AS newest ON TRUE

-- name: known_commands
-- Those of these commands that the log holds already.
SELECT e.command_id, e.command_digest
FROM public.audit_events AS e
WHERE e.command_id = ANY(%(command_ids)s) AND e.command_index = 0

-- name: copy
COPY public.audit_events FROM STDIN (FORMAT binary)

-- name: move_head
UPDATE public.audit_head AS h
SET size = %(size)s, peaks = %(peaks)s, appended_by = pg_current_xact_id(),
    appended_at = %(recorded_at)s
