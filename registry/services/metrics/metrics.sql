-- The figures of the registry, read with the rights of an auditor.

-- name: state
SELECT (SELECT h.size FROM public.audit_head AS h),
    (SELECT t.recorded_at FROM public.audit_trail AS t ORDER BY t.position DESC LIMIT 1),
    (SELECT count(*) FROM public.account_exchange_sharing AS s),
    (SELECT count(*) FROM public.stops_in_force AS s),
    (SELECT max(m.number) FROM public.registry_migrations AS m)

-- name: accounts
-- Accounts with what they have open, and their limits. A limit that is no number is NULL (see problems.sql).
SELECT a.account_name, a.is_active, coalesce(p.positions, 0), coalesce(p.exposure, 0),
    CASE WHEN a.metadata ->> 'max_positions' ~ '^[0-9]{1,30}(\.[0-9]{1,30})?$'
        THEN (a.metadata ->> 'max_positions')::numeric END,
    CASE WHEN a.metadata ->> 'max_exposure_usd' ~ '^[0-9]{1,30}(\.[0-9]{1,30})?$'
        THEN (a.metadata ->> 'max_exposure_usd')::numeric END
FROM public.accounts AS a
LEFT JOIN (
    SELECT o.account_id, count(*) AS positions, sum(abs(o.size_usd)) AS exposure
    FROM public.strategy_positions AS o
    WHERE o.status IS DISTINCT FROM 'closed'
    GROUP BY o.account_id
) AS p ON p.account_id = a.id
ORDER BY a.account_name

-- name: credentials
SELECT a.account_name, d.name, c.subaccount_index, c.permission, c.is_active AND a.is_active,
    c.expires_at AT TIME ZONE 'UTC', c.last_used AT TIME ZONE 'UTC'
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
ORDER BY a.account_name, d.name, c.permission, c.subaccount_index NULLS FIRST
