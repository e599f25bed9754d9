-- Rewrapping keys with another master key.

-- name: data_keys_to_rotate
SELECT k.id, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
WHERE k.master_key_id <> %(newest)s
LIMIT %(limit)s

-- name: registry_key_to_rotate
SELECT k.wrapped_key, k.master_key_id
FROM public.registry_keys AS k
WHERE k.purpose = %(purpose)s AND k.master_key_id <> %(newest)s

-- name: count_to_rotate
SELECT (SELECT count(*) FROM public.credential_data_keys AS k WHERE k.master_key_id <> %(newest)s)
    + (SELECT count(*) FROM public.registry_keys AS k WHERE k.master_key_id <> %(newest)s)

-- name: rewrap_data_keys
SELECT public.rewrap_data_keys(
    %(event_id)s, %(ids)s::uuid[], %(before)s::text[], %(after)s::text[], %(master_key_id)s)

-- name: rewrap_registry_key
SELECT public.rewrap_registry_key(
    %(event_id)s, %(purpose)s, %(before)s, %(after)s, %(master_key_id)s)
