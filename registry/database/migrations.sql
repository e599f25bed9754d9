-- The statements of the migration runner.

-- name: create_table
CREATE TABLE IF NOT EXISTS public.registry_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
)

-- name: drop_table
DROP TABLE IF EXISTS public.registry_migrations

-- name: applied
SELECT m.number, m.name, m.checksum, m.applied_at
FROM public.registry_migrations AS m
ORDER BY m.number

-- name: record
INSERT INTO public.registry_migrations (number, name, checksum)
VALUES (%(number)s, %(name)s, %(checksum)s)

-- name: forget
DELETE FROM public.registry_migrations AS m WHERE m.number = %(number)s
