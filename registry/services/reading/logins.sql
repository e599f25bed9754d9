-- What plain logins leave in a database, and lack.

-- name: left_behind
-- The login, the kind, their number, and how they are removed. A superuser's, and those of the
-- database's owner, are meant to be there.
SELECT r.rolname, k.kind, k.count, k.remove
FROM (
    SELECT m.lomowner AS owner, 'large object' AS kind, count(*) AS count,
        format('Its role must be where one is restored. Or: SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE lomowner = %s::oid',
            m.lomowner) AS remove
    FROM pg_catalog.pg_largeobject_metadata AS m
    GROUP BY m.lomowner
    UNION ALL
    SELECT d.defaclrole, 'default right', count(*),
        format('Its role must be where one is restored. Or: ALTER DEFAULT PRIVILEGES FOR ROLE %I … (psql shows them with \ddp)',
            pg_get_userbyid(d.defaclrole))
    FROM pg_catalog.pg_default_acl AS d
    GROUP BY d.defaclrole
    UNION ALL
    -- A dump holds such a cast without its type. The cast ends with the session.
    SELECT t.typowner, 'temporary cast', count(*),
        format('Restore-drill leaves them out, and they end with the session: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %L',
            pg_get_userbyid(t.typowner))
    FROM pg_catalog.pg_cast AS c
    JOIN pg_catalog.pg_type AS t ON t.oid IN (c.castsource, c.casttarget)
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace AND n.nspname ^@ 'pg_temp_'
    GROUP BY t.typowner
) AS k
JOIN pg_catalog.pg_roles AS r ON r.oid = k.owner
JOIN pg_catalog.pg_database AS b ON b.datname = current_database()
WHERE r.rolcanlogin AND NOT r.rolsuper AND r.oid <> b.datdba
ORDER BY r.rolname, k.kind

-- name: without_idle_limit
-- For the server as a whole it is known where its configuration says so.
SELECT r.rolname
FROM pg_catalog.pg_roles AS r
WHERE r.rolcanlogin AND NOT r.rolsuper
    AND EXISTS (SELECT FROM public.account_access AS a WHERE a.role_name = r.rolname)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_db_role_setting AS s
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
        WHERE s.setrole IN (0, r.oid)
            AND s.setdatabase IN (0, (
                SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
            AND c.setting ~ '^idle_in_transaction_session_timeout=.*[1-9]')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_settings AS s
        WHERE s.name = 'idle_in_transaction_session_timeout'
            AND s.source IN ('configuration file', 'command line') AND s.reset_val <> '0')
ORDER BY r.rolname
