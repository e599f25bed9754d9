-- What `verify` asks beside the log itself.

-- name: share_snapshot
-- All processes of one verification see the database at the same moment.
SELECT pg_export_snapshot()

-- name: beyond_head
SELECT t.position FROM public.audit_trail AS t
WHERE t.position >= %(size)s ORDER BY t.position LIMIT 1

-- name: data_keys
SELECT k.id::text, k.credential_id::text, k.credential_version, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
WHERE k.id = ANY (%(ids)s::text[]::uuid[])

-- name: doubtful_data_keys
-- Of these versions, those whose data key is not there, or is another credential's.
SELECT n.id::text
FROM unnest(%(ids)s::text[]::uuid[], %(credential_ids)s::text[]::uuid[], %(versions)s::integer[])
    AS n (id, credential_id, version)
LEFT JOIN public.credential_data_keys AS k ON k.id = n.id
WHERE k.id IS NULL OR k.credential_id <> n.credential_id OR k.credential_version > n.version
