-- Versions of credentials, and who may still hold one. Never their secrets.

-- name: versions
-- The versions of credentials that are there, by account and slot, the newest first.
SELECT a.account_name, e.exchange, (e.data ->> 'subaccount_index')::integer AS subaccount_index,
    e.data ->> 'permission' AS permission, v.version, v.state,
    v.since AT TIME ZONE 'UTC' AS since, v.usable_until AT TIME ZONE 'UTC' AS usable_until,
    CASE v.state WHEN 'current' THEN c.expires_at AT TIME ZONE 'UTC'
        WHEN 'pending' THEN (e.data ->> 'expires_at')::timestamptz END AS expires_at,
    v.is_destroyed,
    (SELECT jsonb_build_object(
        'outcome', t.data ->> 'outcome', 'differences', coalesce(t.data -> 'differences', '[]'),
        'at', to_char(t.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
     FROM public.audit_trail AS t
     WHERE t.event_type = 'CredentialChecked' AND t.credential_id = v.credential_id::text
        AND t.data ->> 'version' = v.version::text
     ORDER BY t.position DESC LIMIT 1) AS checked,
    v.credential_id
FROM public.credential_versions AS v
JOIN public.credential_overview AS c ON c.id = v.credential_id
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.audit_trail AS e ON e.stream_type = 'account' AND e.stream_id = v.account_id
    AND e.stream_version = v.stream_version
WHERE (%(account_name)s::text IS NULL OR a.account_name = %(account_name)s)
    AND (%(exchange)s::text IS NULL OR e.exchange = %(exchange)s)
ORDER BY a.account_name, e.exchange, permission, subaccount_index NULLS FIRST, v.version DESC

-- name: pending_details
-- The details that a pending version brings along.
SELECT e.data
FROM public.credential_versions AS v
JOIN public.audit_trail AS e ON e.stream_type = 'account' AND e.stream_id = v.account_id
    AND e.stream_version = v.stream_version
WHERE v.credential_id = %(credential_id)s AND v.version = %(version)s

-- name: version_of_event
-- The version that an event is about, and its state now. The credential may be gone.
SELECT (e.data ->> 'exchange_id')::integer AS exchange_id, e.exchange,
    (e.data ->> 'subaccount_index')::integer AS subaccount_index,
    e.data ->> 'permission' AS permission, v.version, v.state, coalesce(c.version, 0) AS current_version
FROM public.audit_trail AS e
JOIN public.credential_versions AS v ON v.credential_id = (e.data ->> 'credential_id')::uuid
    AND v.version = (e.data ->> 'version')::integer
LEFT JOIN public.credential_overview AS c ON c.id = v.credential_id
WHERE e.position = %(position)s

-- name: held
-- Who may still hold a version that is not the current one, the longest first; by the account that
-- has it, or that received it. Of a version that only a release names, the rest is not known.
SELECT coalesce(o.account_name, l.data ->> 'lender', l.data ->> 'account') AS account_name, l.exchange,
    (l.data ->> 'subaccount_index')::integer AS subaccount_index,
    l.data ->> 'permission' AS permission, h.version,
    CASE WHEN c.id IS NULL THEN 'removed' WHEN v.is_destroyed THEN 'destroyed'
        ELSE coalesce(v.state, 'retired') END AS state,
    v.usable_until AT TIME ZONE 'UTC' AS usable_until,
    coalesce(b.account_name, l.data ->> 'account') AS held_by, h.login, h.purpose,
    l.data ->> 'host' AS host, f.recorded_at AS since, l.recorded_at AS last_received,
    h.credential_id
FROM public.versions_held() AS h
JOIN public.audit_trail AS f ON f.position = h.first_position
JOIN public.audit_trail AS l ON l.position = h.last_position
LEFT JOIN public.credential_versions AS v
    ON v.credential_id = h.credential_id AND v.version = h.version
LEFT JOIN public.credential_overview AS c ON c.id = h.credential_id
LEFT JOIN public.accounts AS o ON o.id = coalesce(v.account_id, l.related_account_id, l.stream_id)
LEFT JOIN public.accounts AS b ON b.id = h.account_id
WHERE (%(account_name)s::text IS NULL
        OR %(account_name)s IN (o.account_name, b.account_name))
    AND (%(exchange)s::text IS NULL OR l.exchange = %(exchange)s)
ORDER BY f.recorded_at, h.credential_id, h.version, h.login, h.purpose
