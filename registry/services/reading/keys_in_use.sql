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

-- name: fields_in_use
-- The fields that credentials of an exchange have now.
SELECT d.name,
    (SELECT e.data FROM public.audit_trail AS e
     WHERE e.stream_type = 'exchange' AND e.data ->> 'exchange' = d.name
     ORDER BY e.position DESC LIMIT 1),
    f.name
FROM (
    SELECT DISTINCT c.exchange_id, unnest(c.fields) AS name FROM public.credential_overview AS c
) AS f
JOIN public.dexes AS d ON d.id = f.exchange_id
WHERE %(exchange)s::text IS NULL OR d.name = %(exchange)s

-- name: used_again
-- The values that a credential holds now, and that a slot of any account held before and gave up
-- before this credential got it: of each the last such version. (Of keys only, named "exchange
-- field": what is public may be the same everywhere.)
WITH versions AS MATERIALIZED (
    SELECT v.position, v.stream_id, v.stream_version, v.exchange,
        v.data -> 'subaccount_index' AS subaccount, v.data -> 'permission' AS permission,
        (v.data ->> 'version')::integer AS version, v.data ->> 'data_key_id' AS data_key_id,
        f.key AS field, f.value
    FROM (  -- each event's data is read once
        SELECT e.* FROM public.audit_trail AS e
        WHERE e.stream_type = 'account' AND e.event_type IN ('CredentialAdded', 'CredentialReplaced')
        OFFSET 0) AS v
    CROSS JOIN LATERAL jsonb_each_text(v.data -> 'fingerprints') AS f
    WHERE v.exchange || ' ' || f.key = ANY (%(keys)s::text[])
)
SELECT DISTINCT ON (a.account_name, d.name, c.permission, c.subaccount_index, v.field)
    c.id, a.account_name, d.name, c.subaccount_index, c.permission, v.field,
    coalesce(b.account_name, (SELECT n.former_name FROM public.former_names AS n
        WHERE n.stream_id = former.stream_id ORDER BY n.position DESC LIMIT 1)),
    (former.subaccount #>> '{}')::integer, former.permission #>> '{}', former.version
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
JOIN versions AS v ON v.stream_id = c.account_id AND v.data_key_id = c.data_key_id::text
JOIN versions AS former ON former.value = v.value AND former.field = v.field
    AND former.exchange = v.exchange AND former.position < v.position
LEFT JOIN public.accounts AS b ON b.id = former.stream_id
WHERE (%(exchange)s::text IS NULL OR d.name = %(exchange)s)
    AND (%(account_name)s::text IS NULL OR a.account_name = %(account_name)s)
    AND EXISTS (
        SELECT FROM public.audit_trail AS ended
        WHERE ended.stream_type = 'account' AND ended.stream_id = former.stream_id
            AND ended.stream_version > former.stream_version AND ended.position < v.position
            AND (ended.event_type = 'AccountDeleted' OR (
                ended.event_type IN ('CredentialAdded', 'CredentialReplaced', 'CredentialRemoved')
                AND ended.exchange = former.exchange
                AND ended.data -> 'subaccount_index' = former.subaccount
                AND ended.data -> 'permission' = former.permission
                AND ended.data -> 'fingerprints' ->> former.field IS DISTINCT FROM former.value)))
ORDER BY a.account_name, d.name, c.permission, c.subaccount_index, v.field, former.position DESC

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
