-- What is wrong, or soon will be. Everything is read with the rights of an auditor.

-- name: credentials
-- Credentials in use that expire within a span, or whose version the exchange refused when it was
-- last asked, or described otherwise.
SELECT a.account_name, d.name, c.subaccount_index, c.permission, c.id::text,
    c.expires_at AT TIME ZONE 'UTC',
    c.expires_at <= clock_timestamp() AT TIME ZONE 'UTC' AS has_expired,
    checked.outcome, checked.differences, checked.recorded_at
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
LEFT JOIN LATERAL (
    SELECT last.outcome, last.differences, last.recorded_at
    FROM (
        SELECT e.data ->> 'outcome' AS outcome, e.data -> 'differences' AS differences, e.recorded_at
        FROM public.audit_trail AS e
        WHERE e.event_type = 'CredentialChecked' AND e.credential_id = c.id::text
            AND e.data ->> 'version' = c.version::text
        ORDER BY e.position DESC
        LIMIT 1) AS last
    WHERE last.outcome = ANY (%(dead)s::text[]) OR last.differences <> '[]'
) AS checked ON TRUE
WHERE c.is_active AND a.is_active
    AND (checked.outcome IS NOT NULL
        OR c.expires_at <= clock_timestamp() AT TIME ZONE 'UTC' + %(span)s)
ORDER BY a.account_name, d.name, c.permission, c.subaccount_index NULLS FIRST

-- name: places
-- Accounts that received their present version of a credential in several places since a position:
-- by whom, on which host, and when the second place was the first time.
SELECT a.account_name, d.name, c.subaccount_index, c.permission, c.id::text,
    array_agg(p.place ORDER BY p.first), (array_agg(p.first ORDER BY p.first))[2]
FROM (
    SELECT t.stream_id, t.credential_id, t.data ->> 'credential_version' AS version,
        CASE WHEN t.actor LIKE '%%@' || (t.data ->> 'host') THEN t.actor
            ELSE t.actor || ' at ' || (t.data ->> 'host') END AS place,
        min(t.recorded_at) AS first
    FROM public.audit_trail AS t
    WHERE t.position >= %(from)s AND t.event_type = 'CredentialReleased'
        -- A bot's login checks nothing, whatever purpose it names.
        AND (t.data ->> 'purpose' IS DISTINCT FROM 'check-credential' OR NOT EXISTS (
            SELECT FROM pg_roles AS o
            WHERE o.rolname = t.recorded_by AND pg_has_role(o.oid, 'registry_operator', 'MEMBER')))
    GROUP BY 1, 2, 3, 4
) AS p
JOIN public.accounts AS a ON a.id = p.stream_id
JOIN public.credential_overview AS c ON c.id::text = p.credential_id AND c.version::text = p.version
JOIN public.dexes AS d ON d.id = c.exchange_id
GROUP BY a.account_name, d.name, c.subaccount_index, c.permission, c.id
HAVING count(*) > 1
ORDER BY a.account_name, d.name

-- name: fallbacks
-- Accounts and exchanges whose keys were last taken from an environment, since a position.
SELECT a.account_name, t.exchange, min(t.recorded_at), count(*)
FROM public.audit_trail AS t
JOIN public.accounts AS a ON a.id = t.stream_id
WHERE t.event_type = 'EnvironmentFallbackUsed' AND t.position >= %(from)s
    AND NOT EXISTS (
        SELECT FROM public.audit_trail AS later
        WHERE later.stream_type = 'release' AND later.stream_id = t.stream_id
            AND later.stream_version > t.stream_version
            AND later.event_type = 'CredentialReleased' AND later.exchange = t.exchange)
GROUP BY a.account_name, t.exchange
ORDER BY a.account_name, t.exchange

-- name: limits
-- Active accounts that have used this share of a limit. A limit that is no number is left out; a
-- number in quotes is one, as the triggers of positions read it.
SELECT a.account_name, u.name, u.used, u.most
FROM (
    SELECT o.id, o.account_name, o.metadata FROM public.accounts AS o
    WHERE o.is_active AND o.metadata ?| ARRAY['max_positions', 'max_exposure_usd']
    OFFSET 0
) AS a
CROSS JOIN LATERAL (
    SELECT count(*)::numeric AS positions, coalesce(sum(abs(p.size_usd)), 0) AS exposure
    FROM public.strategy_positions AS p
    WHERE p.account_id = a.id AND p.status IS DISTINCT FROM 'closed'
) AS open
CROSS JOIN LATERAL (
    SELECT l.name, l.used,
        CASE WHEN a.metadata ->> l.name ~ '^[0-9]{1,30}(\.[0-9]{1,30})?$'
            THEN (a.metadata ->> l.name)::numeric END AS most
    FROM (VALUES ('max_positions', open.positions), ('max_exposure_usd', open.exposure))
        AS l (name, used)
    OFFSET 0
) AS u
WHERE u.used > 0 AND u.used >= u.most * %(share)s
ORDER BY a.account_name, u.name

-- name: rows_without_events
-- Accounts of which the log has no event, and credentials whose version is none that it stored.
SELECT a.account_name, NULL::text, NULL::integer, NULL::text
FROM public.accounts AS a
WHERE NOT EXISTS (
    SELECT FROM public.audit_trail AS t WHERE t.stream_type = 'account' AND t.stream_id = a.id)
UNION ALL
SELECT a.account_name, d.name, c.subaccount_index, c.permission
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
WHERE NOT EXISTS (
    SELECT FROM public.audit_trail AS t
    WHERE t.stream_type = 'account' AND t.stream_id = c.account_id
        AND t.data ->> 'data_key_id' = c.data_key_id::text)
ORDER BY 1, 2

-- name: events_without_rows
-- Accounts of the log that were not deleted, and that the tables do not have.
SELECT coalesce(
    (SELECT t.data ->> 'account_name' FROM public.audit_trail AS t
     WHERE t.stream_type = 'account' AND t.stream_id = made.stream_id
        AND t.event_type IN ('AccountCreated', 'AccountRestored', 'AccountRenamed')
     ORDER BY t.stream_version DESC LIMIT 1), made.stream_id::text)
FROM (
    SELECT DISTINCT t.stream_id FROM public.audit_trail AS t
    WHERE t.event_type IN ('AccountCreated', 'AccountRestored')
        AND NOT EXISTS (SELECT FROM public.accounts AS a WHERE a.id = t.stream_id)
    OFFSET 0
) AS made
WHERE (SELECT t.event_type FROM public.audit_trail AS t
       WHERE t.stream_type = 'account' AND t.stream_id = made.stream_id
       ORDER BY t.stream_version DESC LIMIT 1) <> 'AccountDeleted'
ORDER BY 1

-- name: recorded_at
-- When the event at a position was recorded, and how old it is.
SELECT t.recorded_at, clock_timestamp() - t.recorded_at
FROM public.audit_trail AS t
WHERE t.position = %(position)s
