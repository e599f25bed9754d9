-- The advisory locks by which the registry's programs take turns: 7234117001 migrations, 7234117002
-- rebuilds, 7234117009 followers of the log, 7234117011 bots that follow their accounts. Only those
-- who follow keep theirs for a session: what a pooler lends is a transaction. Two more are taken where
-- they are needed: 7234117010 appends (durability.sql), and (7234117, hash of an account) limits (a
-- trigger).

-- name: try_lock_migrations
SELECT pg_try_advisory_xact_lock(7234117001)

-- name: lock_migrations
SELECT pg_advisory_xact_lock(7234117001)

-- name: try_lock_rebuild
SELECT pg_try_advisory_xact_lock(7234117002)

-- name: follow
-- Makes appends send notifications while this session lasts; false during an append.
SELECT pg_try_advisory_lock_shared(%(lock)s)

-- name: follow_silently
-- Appends send no more notifications because of this session; false, as it held the lock.
SELECT NOT pg_advisory_unlock_shared(%(lock)s)

-- name: in_the_way
-- The other sessions that hold the log's head, a table of the registry, or the turn of a program.
SELECT DISTINCT a.pid, a.usename, a.application_name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND a.pid <> pg_backend_pid() AND a.datname = current_database()
    AND CASE l.locktype
        WHEN 'relation' THEN l.relation = to_regclass('public.audit_head') AND l.mode = 'RowShareLock'
            OR l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            AND (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = l.relation)
                = to_regnamespace('public')
        WHEN 'advisory' THEN
            (l.classid::bigint << 32 | l.objid::bigint) IN (7234117001, 7234117002)
        ELSE FALSE END
    -- Who waits for the log holds, or wants, the lock on its row that orders the waiting.
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS w
        WHERE w.pid = l.pid AND w.locktype = 'tuple' AND w.relation = to_regclass('public.audit_head'))
ORDER BY a.pid

-- name: prepared
-- The transactions that were prepared for two-phase commit here: they keep their locks without a session.
SELECT format('the prepared transaction %L of %s', x.gid, x.owner), x.prepared,
    format('ROLLBACK PREPARED %L', x.gid)
FROM pg_catalog.pg_prepared_xacts AS x
WHERE x.database = current_database()
ORDER BY x.prepared
