-- Queries of `verify` besides the log itself.

-- name: beyond_head
SELECT t.position FROM public.audit_trail AS t
WHERE t.position >= %(size)s ORDER BY t.position LIMIT 1

-- name: copy_data_keys_between
COPY (
    SELECT k.id, k.credential_id, k.credential_version
    FROM public.credential_data_keys AS k
    WHERE k.id BETWEEN {first} AND {last}
    ORDER BY k.id
    LIMIT {limit}
) TO STDOUT

-- name: data_keys
SELECT k.id::text, k.credential_id::text, k.credential_version, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
WHERE k.id = ANY (%(ids)s::text[]::uuid[])
