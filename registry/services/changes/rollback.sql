-- The reads of a rollback.

-- name: changed_streams
-- All events of the accounts that changed after a position, or of one of these accounts.
SELECT e.position, e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data
FROM public.audit_events AS e
WHERE e.stream_type = 'account' AND e.stream_id = ANY(ARRAY(
    SELECT DISTINCT c.stream_id
    FROM public.audit_events AS c
    WHERE c.stream_type = 'account' AND c.position > %(position)s
        AND (%(account_id)s::uuid IS NULL OR c.stream_id = %(account_id)s)))
ORDER BY e.stream_id, e.stream_version

-- name: account_names
SELECT a.id::text, a.account_name FROM public.accounts AS a

-- name: shares
SELECT s.id::text, s.primary_account_id::text, s.shared_account_id::text, s.exchange_id
FROM public.account_exchange_sharing AS s

-- name: data_keys
-- The given data keys that exist.
SELECT k.id::text FROM public.credential_data_keys AS k WHERE k.id = ANY(%(ids)s::uuid[])

-- name: owners
-- The owners of these positions, and all positions of these accounts.
SELECT p.id::text, p.account_id::text
FROM public.strategy_positions AS p
WHERE p.id = ANY(%(positions)s::uuid[]) OR p.account_id = ANY(%(accounts)s::uuid[])

-- name: lenders
-- The exchanges for which these accounts have an active credential to lend.
SELECT DISTINCT c.account_id::text, c.exchange_id
FROM public.account_exchange_credentials AS c
JOIN public.accounts AS a ON a.id = c.account_id AND a.is_active
WHERE c.is_active AND c.account_id = ANY(%(ids)s::uuid[])

-- name: login_roles
-- The given roles that exist and can log in.
SELECT r.rolname::text
FROM pg_catalog.pg_roles AS r
WHERE r.rolcanlogin AND r.rolname = ANY(%(names)s::text[])
