-- Positions and their owners.

-- name: named
-- The named positions with their current owners.
SELECT p.id, p.account_id, a.account_name
FROM public.strategy_positions AS p
LEFT JOIN public.accounts AS a ON a.id = p.account_id
WHERE p.id = ANY(%(positions)s::uuid[])
ORDER BY p.id

-- name: unowned
-- All positions without an owner.
SELECT p.id, p.account_id, NULL::text
FROM public.strategy_positions AS p
WHERE p.account_id IS NULL
ORDER BY p.id

-- name: list
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
