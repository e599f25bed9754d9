-- Queries of the adoption of tables from before the registry.
-- `{told}` is replaced by a JSON object of a row's moments and details, as text.

-- name: pending
-- Whether such tables exist without any of the registry's constraints. (One may be missing for
-- another reason: `doctor` names it.)
SELECT to_regclass('public.accounts') IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS k
    WHERE k.connamespace = 'public'::regnamespace AND k.conname = ANY(%(rules)s))

-- name: counts
SELECT (SELECT count(*) FROM public.accounts AS a),
    (SELECT count(*) FROM public.account_exchange_credentials AS c WHERE c.data_key_id IS NULL)

-- name: accounts
-- Accounts without events; `nth` numbers the accounts of the same name.
WITH marked AS (
    SELECT a.*, EXISTS (
        SELECT FROM public.audit_events AS e
        WHERE e.stream_type = 'account' AND e.stream_id = a.id) AS known
    FROM public.accounts AS a
), numbered AS (
    SELECT m.*, row_number() OVER (
        PARTITION BY m.account_name ORDER BY m.known DESC, m.created_at NULLS LAST, m.id) AS nth
    FROM marked AS m
)
SELECT n.id::text, n.account_name, n.nth, n.is_active, {told}
FROM numbered AS n
WHERE NOT n.known
ORDER BY n.id

-- name: credentials
-- Credentials to adopt; of several rows for one slot, the one that a bot would prefer comes first.
SELECT c.id::text, c.account_id::text, a.account_name, c.exchange_id, d.name, c.api_key_encrypted,
    c.secret_key_encrypted, c.additional_credentials_encrypted::text, c.subaccount_index,
    c.permission, c.is_active, {told}
FROM public.account_exchange_credentials AS c
LEFT JOIN public.accounts AS a ON a.id = c.account_id
LEFT JOIN public.dexes AS d ON d.id = c.exchange_id
WHERE c.data_key_id IS NULL
ORDER BY c.account_id, d.name, coalesce(c.is_active, FALSE) DESC,
    coalesce(c.updated_at, c.created_at) DESC NULLS LAST, c.id

-- name: shares
-- Shares without events, with the data that the rules need.
SELECT s.id::text, s.primary_account_id::text, b.account_name, s.shared_account_id::text,
    l.account_name, l.is_active, s.exchange_id, d.name, s.sharing_type, {told},
    (SELECT o.account_name FROM public.account_exchange_sharing AS further
     JOIN public.accounts AS o ON o.id = further.shared_account_id
     WHERE further.primary_account_id = s.shared_account_id
        AND further.exchange_id = s.exchange_id LIMIT 1),
    EXISTS (SELECT FROM public.account_exchange_credentials AS c
        WHERE c.account_id = s.shared_account_id AND c.exchange_id = s.exchange_id),
    row_number() OVER (PARTITION BY s.primary_account_id, s.exchange_id
        ORDER BY s.updated_at DESC NULLS LAST, s.id),
    (SELECT coalesce(max(e.stream_version), 0) FROM public.audit_events AS e
     WHERE e.stream_type = 'account' AND e.stream_id = s.primary_account_id)
FROM public.account_exchange_sharing AS s
LEFT JOIN public.accounts AS b ON b.id = s.primary_account_id
LEFT JOIN public.accounts AS l ON l.id = s.shared_account_id
LEFT JOIN public.dexes AS d ON d.id = s.exchange_id
WHERE NOT EXISTS (
    SELECT FROM public.audit_events AS e
    WHERE e.stream_type = 'account' AND e.stream_id = s.primary_account_id
        AND e.event_type IN ('SharingGranted', 'SharingChanged')
        AND e.data ->> 'share_id' = s.id::text)
ORDER BY s.primary_account_id, s.id

-- name: unowned_links
-- Positions whose owner does not exist.
SELECT p.id::text, p.account_id::text
FROM public.strategy_positions AS p
WHERE p.account_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.accounts AS a WHERE a.id = p.account_id)
ORDER BY p.id

-- name: unlink
UPDATE public.strategy_positions AS p SET account_id = NULL WHERE p.id = ANY (%(ids)s::uuid[])

-- name: links
-- The positions of each adopted account, and the version of its stream.
SELECT p.account_id, array_agg(p.id ORDER BY p.id), (
    SELECT coalesce(max(e.stream_version), 0) FROM public.audit_events AS e
    WHERE e.stream_type = 'account' AND e.stream_id = p.account_id)
FROM public.strategy_positions AS p
WHERE p.account_id IS NOT NULL AND EXISTS (
    SELECT FROM public.audit_events AS e
    WHERE e.stream_type = 'account' AND e.stream_id = p.account_id AND e.stream_version = 1
        AND e.event_type = 'AccountCreated' AND e.data ->> 'origin' = 'legacy')
GROUP BY p.account_id
ORDER BY p.account_id

-- name: own_columns
-- Columns that the registry does not know.
SELECT c.relname, a.attname
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace
WHERE c.relname = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
    AND NOT c.relname || '.' || a.attname = ANY (%(columns)s)
ORDER BY 1, 2

-- name: name_is_free
SELECT NOT EXISTS (SELECT FROM public.accounts AS a WHERE a.account_name = %(name)s)

-- name: loosen
SELECT public.projections_loosen()

-- name: tighten
SELECT public.projections_tighten()

-- name: rest_rules
-- Adoption has checked the rules itself: a lender may be inactive, and the removal of rows
-- that are left out has no event.
ALTER TABLE public.account_exchange_sharing
    DISABLE TRIGGER account_exchange_sharing_rules,
    DISABLE TRIGGER account_exchange_sharing_allowed,
    DISABLE TRIGGER account_exchange_sharing_only_by_event;
ALTER TABLE public.account_exchange_credentials
    DISABLE TRIGGER account_exchange_credentials_lent,
    DISABLE TRIGGER account_exchange_credentials_allowed,
    DISABLE TRIGGER account_exchange_credentials_only_by_event;
ALTER TABLE public.accounts DISABLE TRIGGER accounts_only_by_event

-- name: wake_rules
ALTER TABLE public.account_exchange_sharing
    ENABLE TRIGGER account_exchange_sharing_rules,
    ENABLE TRIGGER account_exchange_sharing_allowed,
    ENABLE TRIGGER account_exchange_sharing_only_by_event;
ALTER TABLE public.account_exchange_credentials
    ENABLE TRIGGER account_exchange_credentials_lent,
    ENABLE TRIGGER account_exchange_credentials_allowed,
    ENABLE TRIGGER account_exchange_credentials_only_by_event;
ALTER TABLE public.accounts ENABLE TRIGGER accounts_only_by_event

-- name: delete_left_out
DELETE FROM public.{table} AS l WHERE l.id = ANY (%(ids)s::uuid[])

-- name: make_keys
-- The fingerprints of the adopted keys, to find keys that accounts have in common.
CREATE TEMPORARY TABLE adopted_keys (
    fingerprint text, account text, id text, exchange text, field text) ON COMMIT DROP

-- name: copy_keys
COPY pg_temp.adopted_keys FROM STDIN

-- name: keys_in_common
-- The accounts with the same keys, by exchange: five by name, and the number of the rest.
WITH common AS (
    SELECT min(k.id) AS id, k.exchange, k.field,
        array_agg(DISTINCT k.account ORDER BY k.account) AS accounts
    FROM pg_temp.adopted_keys AS k
    GROUP BY k.fingerprint, k.exchange, k.field
    HAVING count(DISTINCT k.account) > 1
)
SELECT min(c.id), c.exchange, string_agg(c.field, ' and ' ORDER BY c.field),
    array_to_string(c.accounts[:5], ', '), greatest(cardinality(c.accounts) - 5, 0)
FROM common AS c
GROUP BY c.accounts, c.exchange
ORDER BY c.accounts, c.exchange

-- name: copy_data_keys
COPY public.credential_data_keys
    (id, credential_id, credential_version, wrapped_key, master_key_id, created_at) FROM STDIN
