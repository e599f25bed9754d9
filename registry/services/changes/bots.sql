-- The reads of bots' logins.

-- name: caller
-- What the caller may do: make login roles, let them be bots; and whether bots can connect.
SELECT current_user::text AS name, r.rolsuper OR r.rolcreaterole AS may_make,
    r.rolsuper OR pg_has_role('registry_bot', 'MEMBER WITH ADMIN OPTION')
        OR (r.rolcreaterole AND current_setting('server_version_num')::integer < 160000) AS may_grant,
    current_setting('server_version_num')::integer >= 160000 AS admin_by_grant,
    current_database()::text AS database,
    has_database_privilege('registry_bot', current_database(), 'CONNECT') AS bots_connect
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user

-- name: login
-- A role: whether it is a bot, and what else it is. A superuser is in no role but its own.
SELECT r.rolcanlogin AS can_log_in,
    EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
            WHERE m.member = r.oid AND m.roleid = 'registry_bot'::regrole) AS is_bot,
    array_remove(ARRAY[
        CASE WHEN r.rolsuper THEN 'a superuser' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END,
        CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], NULL)
    || ARRAY(SELECT 'a member of ' || g.rolname FROM pg_catalog.pg_auth_members AS m
             JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
             WHERE m.member = r.oid AND m.roleid <> 'registry_bot'::regrole) AS more
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(login)s

-- name: access
-- The accounts that a login may use, each with the version of its stream.
SELECT x.id, a.id AS account_id, a.account_name AS account,
    (SELECT max(e.stream_version) FROM public.audit_events AS e
     WHERE e.stream_type = 'account' AND e.stream_id = a.id) AS version
FROM public.account_access AS x
JOIN public.accounts AS a ON a.id = x.account_id
WHERE x.role_name = %(login)s
ORDER BY a.account_name

-- name: logins
-- The logins that a name may mean: its own, and those of the account of this name.
SELECT x.role_name AS login FROM public.account_access AS x
JOIN public.accounts AS a ON a.id = x.account_id
WHERE a.account_name = %(name)s
UNION
SELECT %(name)s WHERE EXISTS (
    SELECT FROM public.account_access AS x WHERE x.role_name = %(name)s
    UNION ALL
    SELECT FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.member
    WHERE r.rolname = %(name)s AND m.roleid = 'registry_bot'::regrole)
ORDER BY 1

-- name: released
-- The credentials of today that a login was handed, by the releases to these accounts.
SELECT DISTINCT a.account_name AS account, d.name AS exchange
FROM public.audit_trail AS t
JOIN public.credential_overview AS c
    ON c.id::text = t.credential_id AND c.version = (t.data ->> 'credential_version')::integer
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
WHERE t.stream_type = 'release' AND t.event_type = 'CredentialReleased'
    AND t.stream_id = ANY (%(accounts)s) AND t.recorded_by = %(login)s
ORDER BY 1, 2

-- name: owned
-- What keeps a role from being dropped: what it owns here, and all that it has elsewhere.
SELECT DISTINCT CASE
    WHEN d.dbid IN (0, b.oid) THEN pg_describe_object(d.classid, d.objid, d.objsubid)
    ELSE 'something in the database ' || (SELECT e.datname FROM pg_catalog.pg_database AS e WHERE e.oid = d.dbid)
    END AS object
FROM pg_catalog.pg_shdepend AS d
JOIN pg_catalog.pg_database AS b ON b.datname = current_database()
WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
    AND d.refobjid = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(login)s)
    AND (d.dbid NOT IN (0, b.oid)
        OR (d.deptype = 'o' AND d.classid <> 'pg_catalog.pg_default_acl'::regclass))
ORDER BY 1 LIMIT 6

-- name: is_member
SELECT pg_has_role(%(login)s, 'USAGE')

-- name: end_sessions
-- The sessions of a login that are still open, ended; each waits until it is gone.
SELECT count(*) FILTER (WHERE pg_terminate_backend(s.pid, 5000))
FROM pg_catalog.pg_stat_activity AS s
WHERE s.usename = %(login)s
