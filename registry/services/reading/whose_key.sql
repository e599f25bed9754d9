-- Which versions of credentials, of all that ever were, hold a value.

-- name: fields
-- The fields of which the log has values, by exchange.
SELECT DISTINCT (v.data ->> 'exchange_id')::integer, f.name
FROM public.audit_trail AS v
CROSS JOIN LATERAL jsonb_object_keys(v.data -> 'fingerprints') AS f (name)
WHERE v.event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')

-- name: holders
-- A fingerprint may be cut. A version is held until another one, or nothing, takes its place; one that
-- was pending, until it was given up.
SELECT v.position,
    coalesce(a.account_name, (SELECT n.former_name FROM public.former_names AS n
        WHERE n.stream_id = v.stream_id ORDER BY n.position DESC LIMIT 1)) AS account_name,
    v.exchange, (v.data ->> 'subaccount_index')::integer AS subaccount_index,
    v.data ->> 'permission' AS permission, (v.data ->> 'version')::integer AS version,
    f.key AS field, f.value AS fingerprint, v.credential_id, s.state,
    v.recorded_at AS since,
    (SELECT n.recorded_at FROM public.audit_trail AS n
     WHERE n.stream_type = v.stream_type AND n.stream_id = v.stream_id
         AND n.stream_version > v.stream_version
         AND (n.event_type = 'AccountDeleted' OR (n.credential_id = v.credential_id
             AND CASE WHEN n.event_type = 'CredentialVersionRetired'
                 THEN n.data ->> 'data_key_id' = v.data ->> 'data_key_id'
                     AND v.event_type = 'CredentialPrepared'
                 ELSE n.event_type = 'CredentialRemoved' OR n.event_type = 'CredentialReplaced'
                     AND v.event_type <> 'CredentialPrepared' END))
     ORDER BY n.stream_version LIMIT 1) AS until
FROM public.audit_trail AS v
CROSS JOIN LATERAL jsonb_each_text(v.data -> 'fingerprints') AS f
LEFT JOIN public.accounts AS a ON a.id = v.stream_id
LEFT JOIN public.credential_versions AS s ON s.id::text = v.data ->> 'data_key_id'
WHERE v.stream_type = 'account'
    AND (v.event_type IN ('CredentialAdded', 'CredentialReplaced')
        OR v.event_type = 'CredentialPrepared' AND NOT EXISTS (
            SELECT FROM public.audit_trail AS used
            WHERE used.stream_type = 'account' AND used.stream_id = v.stream_id
                AND used.event_type = 'CredentialReplaced'
                AND used.data ->> 'data_key_id' = v.data ->> 'data_key_id'))
    AND left(f.value, %(length)s) = ANY (%(fingerprints)s::text[])
    AND (%(field)s::text IS NULL OR f.key = %(field)s)
ORDER BY v.position, f.key
