-- Statements of a restore drill.

-- name: let_owner_make_tables
DO $$
BEGIN
    IF to_regrole('registry_owner') IS NOT NULL THEN
        GRANT USAGE, CREATE ON SCHEMA public TO registry_owner;
    END IF;
END
$$

-- name: keys
-- Every wrapped key, with the id that it is wrapped under.
SELECT k.id, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
UNION ALL
SELECT %(fingerprint)s, k.wrapped_key, k.master_key_id
FROM public.registry_keys AS k

-- name: credentials
-- Credentials whose data key exists; the log shows whether a missing one was destroyed or lost.
SELECT c.id, c.account_id, c.exchange_id, c.subaccount_index, c.permission, c.data_key_id,
    c.api_key_encrypted, c.secret_key_encrypted, c.additional_credentials_encrypted,
    k.wrapped_key, k.master_key_id
FROM public.account_exchange_credentials AS c
JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
ORDER BY c.id
