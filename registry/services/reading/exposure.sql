-- The possible users and the recipients of a credential; all times are the database's.

-- name: account_events
-- The events of some accounts, without their releases.
SELECT t.position, t.stream_id, t.event_type, t.data, t.recorded_at, t.occurred_at
FROM public.audit_trail AS t
WHERE t.stream_type = 'account' AND t.stream_id = ANY (%(account_ids)s)
ORDER BY t.position

-- name: shares
-- The events in borrowers' streams that concern a lender.
SELECT t.position, t.stream_id, t.event_type, t.data, t.recorded_at, t.occurred_at
FROM public.audit_trail AS t
WHERE t.related_account_id = %(account_id)s AND t.stream_type = 'account'
ORDER BY t.position

-- name: stops
-- The events of all stops.
SELECT t.position, t.stream_id, t.event_type, t.data, t.recorded_at, t.occurred_at
FROM public.audit_trail AS t
WHERE t.event_type IN ('UseStopped', 'UseResumed')
ORDER BY t.position

-- name: releases
-- The recipients of the given credentials: account, key, role, host, purpose, and the count.
SELECT coalesce(t.data ->> 'account', t.stream_id::text) AS account,
    t.credential_id,
    (t.data ->> 'credential_version')::integer AS version,
    (t.data ->> 'subaccount_index')::integer AS subaccount_index, t.data ->> 'permission' AS permission,
    t.data ->> 'lender' AS lender,
    t.recorded_by AS role,
    t.data ->> 'host' AS host,
    t.data ->> 'purpose' AS purpose,
    t.actor,
    count(*) AS times,
    min(t.recorded_at) AS first,
    max(t.recorded_at) AS last,
    max(t.position) AS last_position,
    (array_agg(t.command_id::text ORDER BY t.position DESC))[1:10] AS last_commands
FROM public.audit_trail AS t
WHERE t.stream_type = 'release' AND t.event_type = 'CredentialReleased'
    AND (t.stream_id = %(account_id)s OR t.related_account_id = %(account_id)s)
    AND t.credential_id = ANY (%(credential_ids)s)
    AND t.position <= %(last)s
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ORDER BY max(t.position) DESC

-- name: operators
-- Roles that can run commands today, and so with the master key can reveal any credential.
SELECT r.rolname
FROM pg_catalog.pg_roles AS r
WHERE r.rolcanlogin
    AND (r.rolsuper OR pg_catalog.pg_has_role(r.oid, 'registry_operator', 'MEMBER')
        OR pg_catalog.pg_has_role(r.oid, 'registry_owner', 'MEMBER'))
ORDER BY r.rolname
