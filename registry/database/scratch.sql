-- The contents of a database that should be empty, and the statements that empty it again.

-- name: contents
-- The objects that a new database does not have, the tables first.
SELECT found.name FROM (
    SELECT 1 AS rank, 'the table ' || c.oid::regclass AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 2, 'the schema ' || n.nspname
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
    UNION ALL
    SELECT 3, 'the extension ' || e.extname
    FROM pg_catalog.pg_extension AS e WHERE e.extname <> 'plpgsql'
    UNION ALL
    SELECT 4, 'the function ' || p.oid::regprocedure
    FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = to_regnamespace('public')
    UNION ALL
    SELECT 5, 'the type ' || t.oid::regtype
    FROM pg_catalog.pg_type AS t
    WHERE t.typnamespace = to_regnamespace('public') AND t.typtype IN ('d', 'e', 'r')
) AS found
ORDER BY found.rank, found.name

-- name: owned
SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()

-- name: missing_roles
SELECT w.name
FROM unnest(%(names)s::text[]) AS w (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = w.name)
ORDER BY w.name

-- name: extensions
SELECT e.extname FROM pg_catalog.pg_extension AS e WHERE e.extname <> 'plpgsql'

-- name: schemas
SELECT n.nspname
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: new_public
-- As PostgreSQL 15 and later make it: the database's owner owns it.
CREATE SCHEMA public AUTHORIZATION pg_database_owner

-- name: public_for_everybody
GRANT USAGE ON SCHEMA public TO PUBLIC
