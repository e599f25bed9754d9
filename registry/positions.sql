-- The positions of one account; every statement is limited to it. The columns hold UTC.

-- name: add_symbol
INSERT INTO public.symbols (symbol)
SELECT wanted.symbol
FROM (SELECT %(symbol)s::text AS symbol) AS wanted
WHERE NOT EXISTS (SELECT FROM public.symbols AS s WHERE s.symbol = wanted.symbol)
ON CONFLICT DO NOTHING

-- name: create
INSERT INTO public.strategy_positions (
    id, account_id, strategy_name, symbol_id, long_dex_id, short_dex_id, size_usd,
    entry_long_rate, entry_short_rate, entry_divergence, opened_at, status, metadata)
SELECT %(id)s, %(account_id)s, %(strategy)s, s.id, l.id, r.id, %(size_usd)s,
    %(entry_long_rate)s, %(entry_short_rate)s, %(entry_divergence)s, %(opened_at)s, 'open',
    %(metadata)s::jsonb
FROM public.symbols AS s, public.dexes AS l, public.dexes AS r
WHERE s.symbol = %(symbol)s AND l.name = %(long_dex)s AND r.name = %(short_dex)s

-- name: positions
SELECT p.id, s.symbol, l.name AS long_dex, r.name AS short_dex, p.size_usd, p.entry_long_rate,
    p.entry_short_rate, p.entry_divergence, p.opened_at AT TIME ZONE 'UTC' AS opened_at, p.status,
    p.current_divergence, p.last_check AT TIME ZONE 'UTC' AS last_check, p.rebalance_pending,
    p.rebalance_reason, p.exit_reason, p.closed_at AT TIME ZONE 'UTC' AS closed_at, p.pnl_usd,
    p.cumulative_funding_usd, p.funding_payments_count, p.metadata
FROM public.strategy_positions AS p
JOIN public.symbols AS s ON s.id = p.symbol_id
JOIN public.dexes AS l ON l.id = p.long_dex_id
JOIN public.dexes AS r ON r.id = p.short_dex_id
WHERE p.account_id = %(account_id)s AND p.strategy_name = %(strategy)s
    AND (%(id)s::uuid IS NULL OR p.id = %(id)s)
    AND (%(id)s::uuid IS NOT NULL OR p.status <> 'closed')
ORDER BY p.opened_at, p.id

-- name: close
UPDATE public.strategy_positions AS p
SET status = 'closed', exit_reason = %(exit_reason)s, closed_at = %(closed_at)s::timestamp,
    pnl_usd = coalesce(%(pnl_usd)s::numeric, p.cumulative_funding_usd), rebalance_pending = FALSE,
    updated_at = %(closed_at)s::timestamp
WHERE p.id = %(id)s AND p.account_id = %(account_id)s AND p.strategy_name = %(strategy)s
    AND p.status <> 'closed'
