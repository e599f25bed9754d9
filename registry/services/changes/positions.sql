-- Positions and their owners.

-- name: named
-- The named positions with their current owners.
SELECT p.id, p.account_id, a.account_name
FROM public.strategy_positions AS p
LEFT JOIN public.accounts AS a ON a.id = p.account_id
WHERE p.id = ANY(%(positions)s::uuid[])
ORDER BY p.id

-- name: owned
-- All positions of an account.
SELECT p.id, p.account_id, a.account_name
FROM public.strategy_positions AS p
JOIN public.accounts AS a ON a.id = p.account_id
WHERE a.account_name = %(account_name)s
ORDER BY p.id

-- name: unowned
-- All positions without an owner.
SELECT p.id, p.account_id, NULL::text
FROM public.strategy_positions AS p
WHERE p.account_id IS NULL
ORDER BY p.id
