-- The advisory locks by which the registry's programs take turns: 7234117001 migrations, 7234117002
-- rebuilds, 7234117009 followers of the log. Two more are taken where they are needed: 7234117010
-- appends (durability.sql), and (7234117, hash of an account) limits (a trigger).

-- name: lock_migrations
SELECT pg_advisory_lock(7234117001)

-- name: unlock_migrations
SELECT pg_advisory_unlock(7234117001)

-- name: try_lock_rebuild
SELECT pg_try_advisory_lock(7234117002)

-- name: unlock_rebuild
SELECT pg_advisory_unlock(7234117002)

-- name: follow
-- Makes appends send notifications while this session lasts; false during an append.
SELECT pg_try_advisory_lock_shared(7234117009)
