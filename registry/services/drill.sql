-- What a restore drill reads.

-- name: share_snapshot
SELECT pg_export_snapshot()

-- name: let_owner_make_tables
DO $$
BEGIN
    IF to_regrole('registry_owner') IS NOT NULL THEN
        GRANT USAGE, CREATE ON SCHEMA public TO registry_owner;
    END IF;
END
$$

-- name: keys
-- Every wrapped key, and the id that it is wrapped under.
SELECT k.id, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
UNION ALL
SELECT %(fingerprint)s, k.wrapped_key, k.master_key_id
FROM public.registry_keys AS k

-- name: credentials
-- A credential without a key is not in here: whether it was destroyed or lost, the log tells.
SELECT c.id, c.account_id, c.exchange_id, c.subaccount_index, c.permission, c.data_key_id,
    c.api_key_encrypted, c.secret_key_encrypted, c.additional_credentials_encrypted,
    k.wrapped_key, k.master_key_id
FROM public.account_exchange_credentials AS c
JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
ORDER BY c.id

-- name: plain_names
SELECT set_config('search_path', 'pg_catalog', FALSE)

-- name: guards
-- What keeps the tables as they are and secrets where they are, one fact a row. Definitions of
-- checks and views are not in here: PostgreSQL writes equal ones in more than one way.
WITH relations AS (
    SELECT c.oid, c.relkind, c.relowner, c.relacl, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), functions AS (
    SELECT p.oid, p.proowner, p.proacl, p.prokind,
        n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), rights AS (
    SELECT r.name, r.relowner AS owner, a.grantee, a.privilege_type
    FROM relations AS r
    CROSS JOIN LATERAL aclexplode(coalesce(r.relacl,
        acldefault(CASE WHEN r.relkind = 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) AS a
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT r.name || ' (' || t.attname || ')', r.relowner, a.grantee, a.privilege_type
    FROM relations AS r
    JOIN pg_catalog.pg_attribute AS t ON t.attrelid = r.oid AND t.attacl IS NOT NULL
    CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    UNION ALL
    SELECT f.name, f.proowner, a.grantee, a.privilege_type
    FROM functions AS f
    CROSS JOIN LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a
)
SELECT facts.fact FROM (
    SELECT 'trigger ' || t.tgname || ' on ' || r.name || ', mode ' || t.tgenabled::text || ': '
        || md5(pg_get_triggerdef(t.oid)) AS fact
    FROM pg_catalog.pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'function ' || f.name || ': ' || md5(pg_get_functiondef(f.oid))
    FROM functions AS f WHERE f.prokind IN ('f', 'p')
    UNION ALL
    SELECT 'constraint ' || k.conname || ' on ' || r.name || ', kind ' || k.contype::text || ', valid ' || k.convalidated::text
    FROM pg_catalog.pg_constraint AS k JOIN relations AS r ON r.oid = k.conrelid
    WHERE k.contype <> 'n'
    UNION ALL
    SELECT 'index ' || r.name || ', unique ' || i.indisunique::text || ', valid ' || i.indisvalid::text
    FROM pg_catalog.pg_index AS i JOIN relations AS r ON r.oid = i.indexrelid
    UNION ALL
    SELECT 'owner of ' || owned.name || ': registry_owner'
    FROM (SELECT r.name, r.relowner AS owner FROM relations AS r WHERE r.relkind <> 'i'
        UNION ALL SELECT f.name, f.proowner FROM functions AS f) AS owned
    WHERE owned.owner = to_regrole('registry_owner')
    UNION ALL
    SELECT 'right on ' || g.name || ': ' || g.privilege_type || ' to '
        || CASE g.grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(g.grantee) END
    FROM rights AS g WHERE g.grantee <> g.owner
) AS facts
ORDER BY facts.fact COLLATE "C"
