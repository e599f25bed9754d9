-- Appending very many events at once; needs the rights of registry_owner.

-- name: lock_head
SELECT h.size, h.peaks, h.appended_at
FROM public.audit_head AS h
FOR UPDATE

-- name: now_and_user
SELECT greatest(clock_timestamp(), %(appended_at)s), session_user::text

-- name: known_commands
-- The commands that the log holds already.
SELECT e.command_id, e.command_digest
FROM public.audit_events AS e
WHERE e.command_id = ANY(%(command_ids)s) AND e.command_index = 0

-- name: copy
COPY public.audit_events FROM STDIN (FORMAT binary)

-- name: move_head
UPDATE public.audit_head AS h
SET size = %(size)s, peaks = %(peaks)s, appended_by = pg_current_xact_id(),
    appended_at = %(recorded_at)s
