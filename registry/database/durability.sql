-- Committing now and flushing later.

-- name: flush_later_if_others_wait
-- Follows the columns of a statement that appends: one more column, true where the commit does not
-- wait for the disk. Each append shares an advisory lock; an append that can also take it alone
-- delays no other one. (An append that comes meanwhile cannot share the lock, and so knows that
-- it is not alone.) A flush shares it too: its session may append again in a moment. The lock is
-- only a heuristic; the column gives the actual choice.
, CASE
    WHEN mine.is_shared AND current_setting('synchronous_commit') <> 'off'
        AND pg_try_advisory_xact_lock(7234117010) THEN false
    ELSE set_config('synchronous_commit', 'off', true) = 'off'
END
FROM (SELECT pg_try_advisory_xact_lock_shared(7234117010) AS is_shared) AS mine

-- name: flush
-- A transaction with one tiny record of the write-ahead log: its commit flushes that log up
-- to itself, and so everything that was committed before, and waits for synchronous standbys.
-- (The function's own `flush` argument exists from PostgreSQL 17 on and does not wait for them.)
-- https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
SELECT pg_logical_emit_message(true, 'account-registry', ''),
    CASE current_setting('synchronous_commit')
        WHEN 'off' THEN set_config('synchronous_commit', 'on', true)
    END,
    pg_try_advisory_xact_lock_shared(7234117010)

-- name: is_flushed
-- Whether the write-ahead log is on disk up to a place, and no standby is waited for.
SELECT pg_current_wal_flush_lsn() >= %(place)s::pg_lsn
    AND current_setting('synchronous_standby_names') = ''
