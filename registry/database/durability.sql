-- Committing now and flushing later.

-- name: flush_later
set_config('synchronous_commit', 'off', true)

-- name: flush
-- A transaction with one tiny record of the write-ahead log: its commit flushes that log up
-- to itself, and so everything that was committed before, and waits for synchronous standbys.
-- (The function's own `flush` argument exists from PostgreSQL 17 on and does not wait for them.)
-- https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
SELECT pg_logical_emit_message(true, 'account-registry', ''),
    CASE current_setting('synchronous_commit')
        WHEN 'off' THEN set_config('synchronous_commit', 'on', true)
    END
