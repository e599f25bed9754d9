-- The first words on each connection.

-- name: session
-- Times are read and written in UTC and as ISO text, whatever the server's or the user's
-- settings. And nobody waits without end for a session that keeps the log to itself, unless
-- the server or the login is configured with a patience of its own.
SELECT set_config('TimeZone', 'UTC', FALSE), set_config('DateStyle', 'ISO, YMD', FALSE),
    CASE WHEN current_setting('lock_timeout') = '0'
        THEN set_config('lock_timeout', '30s', FALSE)
    END

-- name: schema_state
-- The newest migration that was applied, and how many were.
SELECT coalesce(max(m.number), 0) AS newest, count(*) AS applied
FROM public.registry_migrations AS m
