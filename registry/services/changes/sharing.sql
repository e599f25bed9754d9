-- The reads of sharing.

-- name: shares_of_account
-- The shares that an account is part of, as a borrower or as a lender.
SELECT s.id, b.id AS borrower_id, b.account_name AS borrower,
    (SELECT max(e.stream_version) FROM public.audit_events AS e
     WHERE e.stream_type = 'account' AND e.stream_id = b.id) AS borrower_version,
    l.id AS lender_id, l.account_name AS lender, s.exchange_id, d.name AS exchange, s.sharing_type
FROM public.account_exchange_sharing AS s
JOIN public.accounts AS b ON b.id = s.primary_account_id
JOIN public.accounts AS l ON l.id = s.shared_account_id
JOIN public.dexes AS d ON d.id = s.exchange_id
WHERE %(account_name)s IN (b.account_name, l.account_name)
ORDER BY b.account_name, d.name

-- name: lender
-- An account and its credentials for an exchange: permission and whether it is active.
SELECT a.id, a.is_active,
    ARRAY(SELECT c.permission::text FROM public.account_exchange_credentials AS c
          WHERE c.account_id = a.id AND c.exchange_id = d.id AND c.is_active),
    EXISTS (SELECT FROM public.account_exchange_credentials AS c
            WHERE c.account_id = a.id AND c.exchange_id = d.id AND NOT c.is_active)
FROM public.accounts AS a
LEFT JOIN public.dexes AS d ON d.name = %(exchange)s
WHERE a.account_name = %(account_name)s

-- name: shares
-- All shares, each with its start and whether the lender has a fitting active credential. The
-- start is the database's time of the event; for an adopted or restored share, the row's time.
SELECT b.account_name AS borrower, b.is_active AS borrower_is_active, d.name AS exchange,
    l.account_name AS lender, l.is_active AS lender_is_active, s.sharing_type,
    s.created_at AT TIME ZONE 'UTC' AS created_at, s.updated_at AT TIME ZONE 'UTC' AS updated_at,
    s.id,
    coalesce(granted.recorded_at, s.created_at AT TIME ZONE 'UTC') AS since,
    EXISTS (SELECT FROM public.credential_overview AS c
            WHERE c.account_id = l.id AND c.exchange_id = d.id AND c.is_active
                AND public.share_allows(s.sharing_type, c.permission, FALSE)) AS lender_has_fitting
FROM public.account_exchange_sharing AS s
JOIN public.accounts AS b ON b.id = s.primary_account_id
JOIN public.accounts AS l ON l.id = s.shared_account_id
JOIN public.dexes AS d ON d.id = s.exchange_id
LEFT JOIN LATERAL (
    SELECT t.recorded_at FROM public.audit_trail AS t
    WHERE t.stream_type = 'account' AND t.stream_id = b.id AND t.event_type = 'SharingGranted'
        AND t.data ->> 'share_id' = s.id::text AND t.data ->> 'created_at' IS NULL
    ORDER BY t.stream_version DESC LIMIT 1
) AS granted ON TRUE
WHERE (%(account_name)s::text IS NULL OR %(account_name)s IN (b.account_name, l.account_name))
    AND (%(exchange)s::text IS NULL OR d.name = %(exchange)s)
ORDER BY b.account_name, d.name

-- name: role
-- A role: whether it can log in, and whether it has the rights of bots.
SELECT r.rolcanlogin, pg_has_role(r.rolname, 'registry_bot', 'USAGE')
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(role)s

-- name: access
-- The roles that may use each account, with the database's time of the grant.
SELECT a.account_name AS account, x.role_name AS role, x.granted_at AT TIME ZONE 'UTC' AS granted_at,
    (SELECT t.recorded_at FROM public.audit_trail AS t
     WHERE t.stream_type = 'account' AND t.stream_id = a.id AND t.event_type = 'AccessGranted'
         AND t.data ->> 'access_id' = x.id::text
     ORDER BY t.stream_version DESC LIMIT 1) AS since
FROM public.account_access AS x
JOIN public.accounts AS a ON a.id = x.account_id
WHERE %(account_name)s::text IS NULL OR a.account_name = %(account_name)s
ORDER BY a.account_name, x.role_name
