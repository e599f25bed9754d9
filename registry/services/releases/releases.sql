-- The queries of releases. The rules are in the database's functions.

-- name: resolve
-- The resolutions of an account: for one exchange, or for all that it has or borrows.
SELECT d.name AS exchange,
    CASE WHEN a.is_active THEN r.outcome ELSE 'account_inactive' END AS outcome,
    r.source, r.owner_name AS owner, r.credential_id, r.version, r.subaccount_index, r.permission,
    r.access, r.sharing_type, r.expires_at, coalesce(r.choices, '{}') AS choices
FROM public.accounts AS a
JOIN public.dexes AS d ON CASE WHEN %(exchange)s::text IS NULL
    THEN d.name IN (SELECT * FROM public.exchanges_of(a.id)) ELSE d.name = %(exchange)s END
CROSS JOIN LATERAL public.resolve_credential(
    a.id, d.id, public.wanted_subaccount(%(subaccounts)s, d.name), %(access)s, %(lender)s) AS r
WHERE a.account_name = %(account_name)s
ORDER BY d.name

-- name: request
-- The resolutions and their releases. The commit does not wait for the disk, as it would with the
-- log's lock held; `collect` waits.
SELECT r.exchange, r.outcome, r.source, r.owner_name AS owner, r.credential_id, r.version,
    r.subaccount_index, r.permission, r.access, r.sharing_type, r.expires_at,
    coalesce(r.choices, '{}') AS choices, r.other_users, r.release_id, r.event_position,
    r.master_key_id
FROM set_config('synchronous_commit', 'off', true), public.request_releases(
    %(account)s, %(exchanges)s::text[], %(subaccounts)s, %(access)s, %(lender)s,
    %(actor)s, %(host)s, %(purpose)s, %(reason)s, %(master_keys)s::text[]) AS r

-- name: request_version
-- The same for one exchange, and a version that need not be the current one.
SELECT r.exchange, r.outcome, r.source, r.owner_name AS owner, r.credential_id, r.version,
    r.subaccount_index, r.permission, r.access, r.sharing_type, r.expires_at,
    coalesce(r.choices, '{}') AS choices, r.other_users, r.release_id, r.event_position,
    r.master_key_id
FROM set_config('synchronous_commit', 'off', true), public.request_version(
    %(account)s, (%(exchanges)s::text[])[1], %(version)s, %(subaccounts)s, %(access)s, %(lender)s,
    %(actor)s, %(host)s, %(purpose)s, %(reason)s, %(master_keys)s::text[]) AS r

-- name: collect
-- Two transactions in one round trip. The first waits until the releases are on disk, and on
-- synchronous standbys. The second changes only data that a crash may lose, and waits for nothing.
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT public.confirm_releases();
COMMIT;
SELECT r.*, set_config('synchronous_commit', 'off', true),
    CASE WHEN r.release_id = ANY (%(defined)s) THEN (
        SELECT public.exchange_definition(d.name) ->> 'nonce_per_key' = 'true'
        FROM public.dexes AS d WHERE d.id = r.exchange_id) END AS defined_nonces
FROM {collected} AS r

-- name: held_fields
-- The fields of an account's credentials for an exchange, or of those that are lent to it.
SELECT f.name
FROM public.credential_overview AS c
JOIN public.dexes AS d ON d.id = c.exchange_id AND d.name = %(exchange)s
CROSS JOIN LATERAL unnest(c.fields) WITH ORDINALITY AS f (name, place)
WHERE c.account_id IN (
    SELECT a.id FROM public.accounts AS a WHERE a.account_name = %(account)s
    UNION ALL
    SELECT s.shared_account_id
    FROM public.account_exchange_sharing AS s
    JOIN public.accounts AS b ON b.id = s.primary_account_id
    WHERE b.account_name = %(account)s AND s.exchange_id = d.id)
GROUP BY f.name
ORDER BY min(f.place), f.name

-- name: definition
SELECT public.exchange_definition(%(exchange)s)

-- name: fallback
-- As a request, its commit does not wait for the disk.
SELECT public.record_fallback(
    %(account)s, %(exchange)s, %(suffix)s, %(origin)s, %(actor)s, %(host)s, %(purpose)s)
FROM set_config('synchronous_commit', 'off', true)

-- name: account_info
SELECT i.outcome, i.account_id, i.account_name, i.description, i.wallet_address, i.is_active,
    i.metadata::text AS metadata, i.exchanges
FROM public.account_info(%(account)s, %(account_id)s) AS i

-- name: digests
-- Whether what the account resolves to is still the same; see migration 027.
SELECT d.outcome, d.exchange, d.digest, d.newest
FROM public.account_digests(
    %(account)s, %(exchanges)s::text[], %(subaccounts)s, %(access)s, %(lender)s, %(newest)s) AS d
