-- The first words on each connection.

-- name: session
-- Times are read and written in UTC and as ISO text, whatever the server's or the user's
-- settings.
SELECT set_config('TimeZone', 'UTC', FALSE), set_config('DateStyle', 'ISO, YMD', FALSE)

-- name: schema_state
-- The newest migration that was applied, and how many were.
SELECT coalesce(max(m.number), 0) AS newest, count(*) AS applied
FROM public.registry_migrations AS m
