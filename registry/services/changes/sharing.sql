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

-- name: role
-- A role: whether it can log in, has the rights of bots, and owns the registry.
SELECT r.rolcanlogin, pg_has_role(r.oid, 'registry_bot', 'USAGE'),
    pg_has_role(r.oid, 'registry_owner', 'MEMBER')
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(role)s
