-- name: own_login
-- Before PostgreSQL 16, CREATEROLE lets a login pass on any role; later, only those that it made.
SELECT r.rolname::text, o.owner IS NOT NULL,
    r.rolsuper OR coalesce(pg_has_role(r.oid, o.owner, 'MEMBER'), r.rolcreaterole)
        OR (r.rolcreaterole AND current_setting('server_version_num')::integer < 160000),
    coalesce(pg_has_role(r.oid, o.owner, 'MEMBER'), FALSE),
    coalesce(pg_has_role(r.oid, o.operator, 'MEMBER'), FALSE)
FROM pg_catalog.pg_roles AS r
CROSS JOIN (SELECT to_regrole('registry_owner') AS owner, to_regrole('registry_operator') AS operator) AS o
WHERE r.rolname = session_user
