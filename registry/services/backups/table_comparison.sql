-- Reads whole tables such that equal rows have equal texts.

-- name: settings
SELECT set_config('TimeZone', 'UTC', TRUE), set_config('DateStyle', 'ISO, YMD', TRUE),
    set_config('IntervalStyle', 'postgres', TRUE), set_config('extra_float_digits', '1', TRUE),
    set_config('bytea_output', 'hex', TRUE), set_config('lc_monetary', 'C', TRUE),
    set_config('row_security', 'off', TRUE), set_config('search_path', 'pg_catalog', TRUE)

-- name: tables
-- Each table whose rows a dump holds: name, columns and types (primary key first), number of
-- key columns, and row order.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, w.columns, w.types, w.key,
    coalesce(w.key_order, 't::text COLLATE "C"') AS row_order
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
CROSS JOIN LATERAL (
    SELECT array_agg(quote_ident(a.attname) ORDER BY k.place, a.attnum) AS columns,
        array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place, a.attnum) AS types,
        count(k.place) AS key,
        string_agg(quote_ident(a.attname) || CASE WHEN a.attcollation <> 0 THEN ' COLLATE "C"' ELSE '' END,
            ', ' ORDER BY k.place) FILTER (WHERE k.place IS NOT NULL) AS key_order
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place) ON k.attnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS w
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND w.columns IS NOT NULL
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
