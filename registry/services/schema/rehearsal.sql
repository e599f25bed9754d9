-- Reads of the original database, and statements that fill the copy.

-- name: columns
-- The columns of a table with their types; a type that the copy may lack becomes text.
SELECT a.attname,
    CASE WHEN n.nspname = 'pg_catalog' AND y.typtype = 'b'
        THEN pg_catalog.format_type(a.atttypid, a.atttypmod) ELSE 'text' END
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
JOIN pg_catalog.pg_namespace AS n ON n.oid = y.typnamespace
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: reference_columns
SELECT array_agg(a.attname ORDER BY a.attnum)
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
WHERE k.conrelid = to_regclass(%(table)s) AND k.conname = %(constraint)s

-- name: head
SELECT h.size, h.peaks FROM public.audit_head AS h

-- name: set_head
UPDATE public.audit_head AS h SET size = %(size)s, peaks = %(peaks)s

-- name: owners
SELECT p.id, p.account_id FROM public.strategy_positions AS p WHERE p.account_id IS NOT NULL

-- name: set_owners
UPDATE public.strategy_positions AS p SET account_id = w.account_id
FROM unnest(%(ids)s::uuid[], %(owners)s::uuid[]) AS w (id, account_id)
WHERE p.id = w.id
