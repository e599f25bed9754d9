-- What the lists of allowed exchanges (migration 015) refuse although it is there.

-- name: outside
-- By account and exchange, what stands outside the account's list.
SELECT a.account_name, d.name, string_agg(h.what, ', ' ORDER BY h.what)
FROM (
    SELECT c.account_id, c.exchange_id, 'its own key' AS what
    FROM public.account_exchange_credentials AS c
    WHERE c.is_active
    GROUP BY c.account_id, c.exchange_id
    UNION ALL
    SELECT s.primary_account_id, s.exchange_id, 'what it borrows from ' || l.account_name
    FROM public.account_exchange_sharing AS s
    JOIN public.accounts AS l ON l.id = s.shared_account_id
    UNION ALL
    SELECT s.shared_account_id, s.exchange_id, 'what it lends to ' || b.account_name
    FROM public.account_exchange_sharing AS s
    JOIN public.accounts AS b ON b.id = s.primary_account_id
    UNION ALL
    -- As JSON, since a bot's own table may lack the columns.
    SELECT o.account_id, side.value::integer, 'open positions (' || count(DISTINCT o.id) || ')'
    FROM (
        SELECT p.id, p.account_id, to_jsonb(p) AS position FROM public.strategy_positions AS p
        WHERE p.account_id IS NOT NULL AND p.status IS DISTINCT FROM 'closed'
        OFFSET 0
    ) AS o
    CROSS JOIN LATERAL (
        VALUES (o.position ->> 'long_dex_id'), (o.position ->> 'short_dex_id')) AS side (value)
    WHERE side.value IS NOT NULL
    GROUP BY o.account_id, side.value
) AS h
JOIN public.accounts AS a ON a.id = h.account_id AND a.metadata ? 'allowed_exchanges'
JOIN public.dexes AS d ON d.id = h.exchange_id
WHERE NOT public.account_allows(a.id, d.id)
    AND (%(accounts)s::uuid[] IS NULL OR a.id = ANY(%(accounts)s))
GROUP BY a.account_name, d.name
ORDER BY a.account_name, d.name
