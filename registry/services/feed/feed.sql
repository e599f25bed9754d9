-- The queries of the feed, besides those of the history.

-- name: end
-- The size of the log, the leaf at the last position that was read, and the place in the server's
-- log before which all that is seen here was committed, if that is not known to be on disk, and on
-- synchronous standbys. (A standby only shows what its primary has on disk.)
SELECT h.size, t.leaf_hash,
    CASE WHEN pg_is_in_recovery() THEN NULL
        WHEN pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()
            AND current_setting('synchronous_standby_names') = '' THEN NULL
        ELSE pg_current_wal_insert_lsn() END AS not_durable_before
FROM public.audit_head AS h
LEFT JOIN public.audit_trail AS t ON t.position = %(last)s

-- name: leaf
SELECT t.leaf_hash FROM public.audit_trail AS t WHERE t.position = %(position)s
