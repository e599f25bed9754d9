-- The first statements on each connection, and queries about sessions.

-- name: session
-- Whether there is a pooler, which gives its clients process ids of its own. Times are read and
-- written in UTC and as ISO text, whatever the server's or the user's settings; poolers keep both
-- for each client. No session waits without end for another one that locks the log, unless the
-- server or the login is configured with a timeout of its own. In a session that a pooler lends,
-- the timeout would stay behind: there it is set for each transaction.
SELECT pg_backend_pid() <> %(pid)s,
    set_config('TimeZone', 'UTC', FALSE), set_config('DateStyle', 'ISO, YMD', FALSE),
    CASE WHEN current_setting('lock_timeout') = '0' AND pg_backend_pid() = %(pid)s
        THEN set_config('lock_timeout', '30s', FALSE)
    END

-- name: limit_waits
-- The same timeout for the transaction only.
SELECT CASE WHEN current_setting('lock_timeout') = '0' THEN set_config('lock_timeout', '30s', TRUE) END

-- name: identity
-- The running server, and the database.
SELECT pg_postmaster_start_time(), d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()

-- name: schema_state
-- The newest applied migration, and the number of applied migrations.
SELECT coalesce(max(m.number), 0) AS newest, count(*) AS applied
FROM public.registry_migrations AS m

-- name: at_work
-- Whether the server is at work for a silent session; asked on another connection. A session that
-- waits for its client, to take or to send something, waits in vain. A pooler assigns process ids
-- of its own: then any session that has been busy for as long may be the one.
SELECT count(*) > 0 AS at_work
FROM pg_catalog.pg_stat_activity AS s
WHERE s.datname = current_database() AND s.usename = session_user AND s.pid <> pg_backend_pid()
    AND s.state NOT LIKE 'idle%%' AND s.wait_event_type IS DISTINCT FROM 'Client'
    AND CASE
        WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS o WHERE o.pid = %(pid)s)
            THEN s.pid = %(pid)s
        ELSE s.state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
    END

-- name: end_session
-- Ends a session of this login whose state has not changed for so many seconds.
SELECT pg_terminate_backend(s.pid, 1000)
FROM pg_catalog.pg_stat_activity AS s
WHERE s.pid = %(pid)s AND s.datname = current_database() AND s.usename = session_user
    AND s.state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
