-- Checks whether the schema can take over tables that were made by hand.

-- name: obstacles
-- The obstacles, one row for each; none if there are no such tables.
WITH wanted AS (
    SELECT w.*
    FROM unnest(%(tables)s::text[], %(columns)s::text[], %(types)s::text[], %(originals)s::boolean[])
        AS w (table_name, column_name, type_name, needed)
), present AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relname IN (SELECT w.table_name FROM wanted AS w)
), attributes AS (
    SELECT p.oid, p.relname, a.attname, a.attnum, a.attnotnull, a.atthasdef, a.attidentity,
        pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name
    FROM present AS p
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT format('%%s is not an ordinary table', p.relname) AS obstacle
FROM present AS p WHERE p.relkind <> 'r'
UNION ALL
SELECT format('%%s belongs to %%s, and %%s may not change it', p.relname,
    pg_catalog.pg_get_userbyid(p.relowner), current_user)
FROM present AS p WHERE NOT pg_catalog.pg_has_role(p.relowner, 'USAGE')
UNION ALL
SELECT format('%%s has no column %%s', w.table_name, w.column_name)
FROM wanted AS w JOIN present AS p ON p.relname = w.table_name
WHERE w.needed AND NOT EXISTS (
    SELECT FROM attributes AS a WHERE a.oid = p.oid AND a.attname = w.column_name)
UNION ALL
SELECT format('%%s.%%s is of type %%s, not %%s', w.table_name, w.column_name, a.type_name, w.type_name)
FROM wanted AS w
JOIN attributes AS a ON a.relname = w.table_name AND a.attname = w.column_name
WHERE a.type_name <> w.type_name
UNION ALL
SELECT format('%%s has no primary key on id', p.relname)
FROM present AS p
WHERE p.relkind = 'r' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    JOIN attributes AS a ON a.oid = p.oid AND a.attname = 'id'
    WHERE i.indrelid = p.oid AND i.indisprimary AND i.indkey::text = a.attnum::text)
UNION ALL
SELECT format('%%s.%%s is a column of your own that every row must fill (NOT NULL, no default)',
    a.relname, a.attname)
FROM attributes AS a
WHERE a.relname <> 'strategy_positions' AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
    AND NOT EXISTS (
        SELECT FROM wanted AS w WHERE w.table_name = a.relname AND w.column_name = a.attname)
UNION ALL
SELECT format('the trigger %%I on %%s may rewrite its rows', t.tgname, p.relname)
FROM present AS p
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = p.oid
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
WHERE p.relname <> 'strategy_positions' AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    -- tgtype: 1 is FOR EACH ROW, 2 is BEFORE (https://www.postgresql.org/docs/current/catalog-pg-trigger.html)
    AND t.tgtype & 3 = 3 AND f.prosrc !~* 'new\.updated_at\s*:?='
ORDER BY 1
