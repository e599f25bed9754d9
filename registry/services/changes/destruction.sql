-- Destroying secrets.

-- name: destroy_data_keys
SELECT public.destroy_data_keys(%(event_id)s)
