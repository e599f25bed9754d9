-- Lists of what the tables hold besides accounts and credentials.

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
                AND public.share_allows(s.sharing_type, c.permission, FALSE)) AS lender_has_fitting,
    public.stop_of(b.id, d.id, l.id, NULL, NULL) AS stop
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

-- name: access
-- The roles that may use each account, with the database's time of the grant.
SELECT a.account_name AS account, x.role_name AS role, x.granted_at AT TIME ZONE 'UTC' AS granted_at,
    (SELECT t.recorded_at FROM public.audit_trail AS t
     WHERE t.stream_type = 'account' AND t.stream_id = a.id AND t.event_type = 'AccessGranted'
         AND t.data ->> 'access_id' = x.id::text
     ORDER BY t.stream_version DESC LIMIT 1) AS since,
    CASE WHEN r.oid IS NULL THEN 'gone' WHEN NOT r.rolcanlogin THEN 'cannot log in'
        WHEN NOT pg_has_role(r.oid, 'registry_bot', 'USAGE') THEN 'no bot' ELSE 'ok' END AS login
FROM public.account_access AS x
JOIN public.accounts AS a ON a.id = x.account_id
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = x.role_name
WHERE %(account_name)s::text IS NULL OR a.account_name = %(account_name)s
ORDER BY a.account_name, x.role_name

-- name: positions
-- Positions with the names of their account, symbol and exchanges. A bot may have written a time
-- outside of Python's range: it is NULL here, so that the list can still be read.
SELECT p.id, a.account_name, s.symbol, long_side.name AS long_exchange,
    short_side.name AS short_exchange, p.size_usd, p.entry_divergence, p.cumulative_funding_usd,
    p.status,
    CASE WHEN p.opened_at BETWEEN '0001-01-01' AND '9999-12-31' 
        THEN p.opened_at AT TIME ZONE 'UTC' END AS opened_at
FROM public.strategy_positions AS p
LEFT JOIN public.accounts AS a ON a.id = p.account_id
JOIN public.symbols AS s ON s.id = p.symbol_id
JOIN public.dexes AS long_side ON long_side.id = p.long_dex_id
JOIN public.dexes AS short_side ON short_side.id = p.short_dex_id
WHERE (%(account_name)s::text IS NULL OR a.account_name = %(account_name)s)
    AND (NOT %(unowned)s OR p.account_id IS NULL)
    AND (%(all)s OR p.status = 'open')
ORDER BY a.account_name NULLS FIRST, p.opened_at, p.id
