-- Which keys credentials hold, by the fingerprints of the events that stored them.

-- name: in_common
-- The fields of which several credentials hold the same value.
SELECT d.name,
    (SELECT e.data FROM public.audit_trail AS e
     WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = d.name
     ORDER BY e.position DESC LIMIT 1),
    f.key,
    jsonb_agg(DISTINCT jsonb_build_array(a.account_name, c.permission, c.subaccount_index, c.id))
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
JOIN public.audit_trail AS v ON v.stream_type = 'account' AND v.stream_id = c.account_id
    AND v.event_type IN ('CredentialAdded', 'CredentialReplaced')
    AND v.data ->> 'data_key_id' = c.data_key_id::text
CROSS JOIN LATERAL jsonb_each_text(v.data -> 'fingerprints') AS f
WHERE (%(exchange)s::text IS NULL OR d.name = %(exchange)s)
    AND (%(account_name)s::text IS NULL OR d.id IN (
        SELECT own.exchange_id FROM public.credential_overview AS own
        JOIN public.accounts AS o ON o.id = own.account_id
        WHERE o.account_name = %(account_name)s))
GROUP BY d.name, f.key, f.value
HAVING count(DISTINCT c.id) > 1
ORDER BY d.name, f.key, min(v.position)

-- name: used_again
-- The values that a slot holds now and held before, with another one, or none, in between.
SELECT a.account_name, d.name,
    (SELECT e.data FROM public.audit_trail AS e
     WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = d.name
     ORDER BY e.position DESC LIMIT 1),
    c.subaccount_index, c.permission, f.key, max((former.data -> 'version')::integer)
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
JOIN public.audit_trail AS v ON v.stream_type = 'account' AND v.stream_id = c.account_id
    AND v.event_type IN ('CredentialAdded', 'CredentialReplaced')
    AND v.data ->> 'data_key_id' = c.data_key_id::text
CROSS JOIN LATERAL jsonb_each_text(v.data -> 'fingerprints') AS f
JOIN public.audit_trail AS former ON former.stream_type = 'account'
    AND former.stream_id = c.account_id AND former.stream_version < v.stream_version
    AND former.event_type IN ('CredentialAdded', 'CredentialReplaced')
    AND former.data -> 'fingerprints' ->> f.key = f.value
    AND former.data -> 'subaccount_index' = v.data -> 'subaccount_index'
    AND former.data -> 'permission' = v.data -> 'permission' AND former.exchange = v.exchange
WHERE EXISTS (
    SELECT FROM public.audit_trail AS other
    WHERE other.stream_type = 'account' AND other.stream_id = c.account_id
        AND other.stream_version > former.stream_version
        AND other.stream_version < v.stream_version
        AND other.event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialRemoved')
        AND other.data -> 'subaccount_index' = v.data -> 'subaccount_index'
        AND other.data -> 'permission' = v.data -> 'permission' AND other.exchange = v.exchange
        AND other.data -> 'fingerprints' ->> f.key IS DISTINCT FROM f.value)
GROUP BY a.account_name, d.name, c.subaccount_index, c.permission, f.key
ORDER BY a.account_name, d.name, f.key

-- name: released_lately
-- When these versions of credentials were last released within a day, other than for a check.
SELECT w.id::uuid, max(e.recorded_at)
FROM unnest(%(ids)s::text[], %(versions)s::text[]) AS w (id, version)
JOIN public.audit_events AS e ON e.data ->> 'credential_id' = w.id
    AND e.data ->> 'credential_version' = w.version
WHERE e.data ->> 'credential_version' IS NOT NULL
    AND e.data ->> 'purpose' <> 'check-credential'
    AND e.recorded_at > now() - interval '24 hours'
GROUP BY w.id
