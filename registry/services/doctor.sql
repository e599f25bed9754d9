-- The queries of `doctor`.

-- name: server
SELECT current_setting('server_version'),
    coalesce(' at ' || host(inet_server_addr()) || ':' || inet_server_port(), ''),
    current_database(), session_user, clock_timestamp(),
    CASE WHEN current_setting('fsync') = 'off' THEN 'fsync off'
         WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes off'
         WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit off'
         ELSE 'on' END

-- name: bots_can_create
-- Whether bots may create objects in the registry's schema. Everybody may by default in
-- databases created before PostgreSQL 15.
SELECT has_schema_privilege('registry_bot', 'public', 'CREATE')

-- name: is_bot
SELECT public.session_is_bot()

-- name: master_keys_in_use
SELECT k.master_key_id, count(*)
FROM (
    SELECT d.master_key_id FROM public.credential_data_keys AS d
    UNION ALL
    SELECT r.master_key_id FROM public.registry_keys AS r
) AS k
GROUP BY k.master_key_id

-- name: fingerprint_key
SELECT k.wrapped_key, k.master_key_id
FROM public.registry_keys AS k
WHERE k.purpose = 'fingerprint'

-- name: counts
SELECT (SELECT count(*) FROM public.audit_trail AS e),
    (SELECT h.size FROM public.audit_head AS h),
    (SELECT count(*) FROM public.accounts AS a)
