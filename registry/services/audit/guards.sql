-- What does not follow from the events: names of exchanges, and data keys.

-- name: renamed_exchanges
-- Exchanges whose oldest current credential was stored for an exchange of another name. (One
-- credential is enough: `dexes` has one name for all of them.)
SELECT told.position, d.name, told.exchange
FROM public.dexes AS d
CROSS JOIN LATERAL (
    SELECT c.id, c.account_id FROM public.account_exchange_credentials AS c
    WHERE c.exchange_id = d.id
    ORDER BY c.created_at
    LIMIT 1) AS c
CROSS JOIN LATERAL (
    SELECT e.position, e.data ->> 'exchange' AS exchange FROM public.audit_events AS e
    WHERE e.stream_type = 'account' AND e.stream_id = c.account_id
        AND e.data ->> 'credential_id' = c.id::text
    ORDER BY e.stream_version
    LIMIT 1) AS told
WHERE told.exchange <> d.name
ORDER BY d.name

-- name: unnamed_data_keys
-- The first data keys that no event names, each with the count of all.
SELECT k.id::text, k.credential_id::text, k.credential_version, count(*) OVER ()
FROM public.credential_data_keys AS k
WHERE NOT EXISTS (
    SELECT FROM public.audit_events AS e
    WHERE e.event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')
        AND e.data ->> 'data_key_id' = k.id::text)
ORDER BY k.id
LIMIT 20
