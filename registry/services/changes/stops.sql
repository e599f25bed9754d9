-- Stops: what is in force, what one would include, and where a name leads.

-- name: in_force
SELECT s.stop FROM public.stops_in_force AS s ORDER BY s.position

-- name: event
-- The event of this position or command, and the one that ended it.
SELECT e.position, e.event_type, e.data, ending.position, ending.actor, ending.recorded_at
FROM public.audit_trail AS e
LEFT JOIN public.audit_trail AS ending
    ON ending.stream_type = 'stop' AND ending.stream_id = e.stream_id
        AND ending.stream_version = e.stream_version + 1
WHERE e.position = %(position)s OR e.command_id = %(command_id)s
ORDER BY e.position
LIMIT 1

-- name: fitting_credentials
-- How many credentials an account has for an exchange, in these slots.
SELECT count(*)
FROM public.credential_overview AS c
WHERE c.account_id = %(account_id)s AND c.exchange_id = %(exchange_id)s
    AND (%(subaccount)s::integer IS NULL OR c.subaccount_index = %(subaccount)s)
    AND (%(permission)s::text IS NULL OR c.permission = %(permission)s)

-- name: uses
-- What active accounts can use today of what would be stopped: their own credentials, and those
-- that fit what is lent to them. (Positions as JSON, since a bot's own table may lack columns.)
SELECT a.account_name AS account, d.name AS exchange, c.subaccount_index, c.permission,
    CASE WHEN u.sharing_type IS NOT NULL THEN o.account_name END AS lender, u.sharing_type,
    c.last_used AT TIME ZONE 'UTC' AS last_released,
    (SELECT count(DISTINCT p.id)
     FROM public.strategy_positions AS p
     CROSS JOIN LATERAL jsonb_each_text(to_jsonb(p)) AS side
     WHERE p.account_id = a.id AND p.status IS DISTINCT FROM 'closed'
        AND side.key IN ('long_dex_id', 'short_dex_id') AND side.value = d.id::text)
        AS open_positions,
    (public.stop_of(a.id, d.id, o.id, c.subaccount_index, c.permission) ->> 'position')::bigint
        AS stopped_already
FROM public.credential_overview AS c
JOIN public.accounts AS o ON o.id = c.account_id AND o.is_active
JOIN public.dexes AS d ON d.id = c.exchange_id
CROSS JOIN LATERAL (
    SELECT c.account_id AS user_id, NULL::text AS sharing_type
    UNION ALL
    SELECT s.primary_account_id, s.sharing_type FROM public.account_exchange_sharing AS s
    WHERE s.shared_account_id = c.account_id AND s.exchange_id = c.exchange_id
        AND public.share_allows(s.sharing_type, c.permission, FALSE)
) AS u
JOIN public.accounts AS a ON a.id = u.user_id AND a.is_active
WHERE c.is_active AND public.stop_includes(
    %(stopped)s::jsonb, a.id, d.id, o.id, c.subaccount_index, c.permission)
ORDER BY c.last_used DESC NULLS LAST, a.account_name, d.name, c.permission, c.subaccount_index
