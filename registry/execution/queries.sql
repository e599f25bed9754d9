-- Queries of the services.

-- name: account_use
-- Uses of an account outside its own stream: open positions, positions, borrowers.
SELECT
    (SELECT count(*) FROM public.strategy_positions AS p
     WHERE p.account_id = a.id AND p.status <> 'closed'),
    (SELECT coalesce(array_agg(p.id ORDER BY p.id), '{}') FROM public.strategy_positions AS p
     WHERE p.account_id = a.id AND p.status = 'closed'),
    (SELECT coalesce(array_agg(DISTINCT b.account_name ORDER BY b.account_name), '{}')
     FROM public.account_exchange_sharing AS s
     JOIN public.accounts AS b ON b.id = s.primary_account_id
     WHERE s.shared_account_id = a.id)
FROM public.accounts AS a
WHERE a.account_name = %(account_name)s

-- name: account_names
-- All account names, for suggestions.
SELECT a.account_name FROM public.accounts AS a

-- name: former_name
-- The last event in which an account gave up this name.
SELECT f.position, f.event_type, f.stream_id, f.actor, f.recorded_at,
    (SELECT a.account_name FROM public.accounts AS a WHERE a.id = f.stream_id) AS name_now
FROM public.former_names AS f
WHERE f.former_name = %(account_name)s
ORDER BY f.position DESC
LIMIT 1

-- name: exchange
-- The exchange of this name, the user's definition of it (if any), and all names.
SELECT
    d.id,
    (SELECT e.data FROM public.audit_trail AS e
     WHERE e.stream_type = 'exchange' AND e.stream_id = %(stream_id)s
     ORDER BY e.stream_version DESC LIMIT 1),
    (SELECT coalesce(array_agg(o.name ORDER BY o.name), '{}') FROM public.dexes AS o)
FROM (SELECT %(exchange)s::text AS name) AS wanted
LEFT JOIN public.dexes AS d ON d.name = wanted.name

-- name: exchanges
-- All exchanges, with users' definitions and the number of credentials of each.
SELECT d.id, d.name, e.data,
    (SELECT count(*) FROM public.account_exchange_credentials AS c WHERE c.exchange_id = d.id)
FROM public.dexes AS d
LEFT JOIN LATERAL (
    SELECT a.data FROM public.audit_trail AS a
    WHERE a.stream_type = 'exchange' AND a.data ->> 'exchange' = d.name
    ORDER BY a.stream_version DESC LIMIT 1
) AS e ON TRUE
ORDER BY d.name

-- name: exchange_names
SELECT d.name FROM public.dexes AS d

-- name: require_allowed
-- Fails if the account may not use the exchange; tells of a stop that is in force.
SELECT public.require_allowed(a.id, d.id), public.stop_of(a.id, d.id, a.id, NULL, NULL)
FROM public.accounts AS a
JOIN public.dexes AS d ON d.name = %(exchange)s
WHERE a.account_name = %(account_name)s

-- name: require_fields
-- Fails if a credential of an exchange holds a field that is none of these.
SELECT public.require_fields(%(exchange_id)s, %(fields)s::text[])

-- name: require_not_held
-- Fails if somebody may still hold one of these versions, or tells who if that is allowed.
SELECT h.version, h.account_name, h.login, h.purpose, h.received_at
FROM public.require_not_held(%(credential_id)s, %(versions)s::integer[], %(allowed)s) AS h

-- name: require_definition
-- Fails if an exchange was defined anew.
SELECT public.require_definition(%(stream_id)s, %(version)s)

-- name: positions_by_exchange
-- How many positions of an account, that are not closed, an exchange has a part in.
-- (As JSON, since a bot's own table may lack the columns.)
SELECT d.name, count(DISTINCT p.id)
FROM public.accounts AS a
JOIN public.strategy_positions AS p ON p.account_id = a.id AND p.status IS DISTINCT FROM 'closed'
CROSS JOIN LATERAL jsonb_each_text(to_jsonb(p)) AS side
JOIN public.dexes AS d ON d.id = side.value::integer
WHERE a.account_name = %(account_name)s AND side.key IN ('long_dex_id', 'short_dex_id')
GROUP BY d.name
ORDER BY d.name

-- name: exchange_row
-- The id of this exchange's row, or else a new id; whether `dexes` has the columns for details
-- (the table may be the bot's own); the latest event of the exchange, and its version; all names.
SELECT known.id,
    CASE WHEN known.id IS NULL
        THEN coalesce(nextval(pg_get_serial_sequence('public.dexes', 'id'))::integer,
            (SELECT coalesce(max(d.id), 0) + 1 FROM public.dexes AS d)) END,
    (SELECT count(*) = 3 FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = 'public.dexes'::regclass AND NOT a.attisdropped
        AND a.attname IN ('display_name', 'maker_fee_percent', 'taker_fee_percent')),
    latest.data, coalesce(latest.stream_version, 0),
    (SELECT coalesce(array_agg(o.name ORDER BY o.name), '{}') FROM public.dexes AS o)
FROM (SELECT (SELECT d.id FROM public.dexes AS d WHERE d.name = %(name)s) AS id) AS known
LEFT JOIN LATERAL (
    SELECT e.data, e.stream_version FROM public.audit_trail AS e
    WHERE e.stream_type = 'exchange' AND e.stream_id = %(stream_id)s
    ORDER BY e.stream_version DESC LIMIT 1
) AS latest ON TRUE

-- name: add_exchange
INSERT INTO public.dexes (id, name, display_name, maker_fee_percent, taker_fee_percent)
VALUES (%(id)s, %(name)s, %(display_name)s, 0, 0)

-- name: add_bare_exchange
INSERT INTO public.dexes (id, name) VALUES (%(id)s, %(name)s)

-- name: registry_key
-- The registry's own key for this purpose.
SELECT k.wrapped_key, k.master_key_id
FROM public.registry_keys AS k
WHERE k.purpose = %(purpose)s

-- name: add_registry_key
INSERT INTO public.registry_keys (purpose, wrapped_key, master_key_id, created_at)
VALUES (%(purpose)s, %(wrapped_key)s, %(master_key_id)s, %(created_at)s)

-- name: add_data_key
INSERT INTO public.credential_data_keys
    (id, credential_id, credential_version, wrapped_key, master_key_id, created_at)
VALUES
    (%(id)s, %(credential_id)s, %(credential_version)s, %(wrapped_key)s, %(master_key_id)s,
     %(created_at)s)

-- name: data_keys_of_account
-- The data keys of all current credentials of an account.
SELECT k.id, k.wrapped_key, k.master_key_id
FROM public.credential_data_keys AS k
JOIN public.account_exchange_credentials AS c ON c.data_key_id = k.id
JOIN public.accounts AS a ON a.id = c.account_id
WHERE a.account_name = %(account_name)s

-- name: accounts
-- All accounts by name, with the number of their credentials and the version of their streams.
SELECT {account},
    (SELECT count(*) FROM public.account_exchange_credentials AS c WHERE c.account_id = a.id)
        AS credentials,
    (SELECT max(e.stream_version) FROM public.audit_trail AS e
     WHERE e.stream_type = 'account' AND e.stream_id = a.id) AS version,
    public.stop_of(a.id, NULL, a.id, NULL, NULL) AS stop
FROM public.accounts AS a
WHERE (%(only)s::text IS NULL OR a.account_name = %(only)s)
    AND (%(exchange)s::text IS NULL OR EXISTS (
        SELECT FROM public.account_exchange_credentials AS c
        JOIN public.dexes AS d ON d.id = c.exchange_id
        WHERE c.account_id = a.id AND d.name = %(exchange)s))
ORDER BY a.account_name

-- name: credentials
-- Credentials without their tokens, by account and exchange.
SELECT a.account_name, d.name AS exchange, {credential},
    a.is_active AS account_is_active, c.fields,
    public.stop_of(a.id, d.id, a.id, c.subaccount_index, c.permission) AS stop,
    (SELECT jsonb_build_object(
        'outcome', e.data ->> 'outcome', 'differences', coalesce(e.data -> 'differences', '[]'),
        'at', to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
     FROM public.audit_trail AS e
     WHERE e.event_type = 'CredentialChecked' AND e.credential_id = c.id::text
        AND e.data ->> 'version' = c.version::text
     ORDER BY e.position DESC LIMIT 1) AS checked
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
WHERE (%(account_name)s::text IS NULL OR a.account_name = %(account_name)s)
    AND (%(exchange)s::text IS NULL OR d.name = %(exchange)s)
ORDER BY a.account_name, d.name, c.permission, c.subaccount_index NULLS FIRST

-- name: held_slots
-- The exchanges for which an account has full credentials, with their subaccounts.
SELECT d.name, array_agg(c.subaccount_index)
FROM public.account_exchange_credentials AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
WHERE a.account_name = %(account_name)s AND c.permission = 'full'
GROUP BY d.name

-- name: holders_of_secrets
-- Other credentials with a secret of a credential, which the function refuses or returns; and the
-- last version in each other slot that held one and was given up.
SELECT h.account_name, h.exchange, h.subaccount_index, h.permission, h.fields, h.is_elsewhere,
    NULL::integer AS given_up
FROM public.holders_of_secrets(
    %(credential_id)s, %(account)s, %(secrets)s, %(public)s, %(allowed)s) AS h
UNION ALL
SELECT f.account_name, f.exchange, f.subaccount_index, f.permission,
    string_agg(DISTINCT f.field, ' and ' ORDER BY f.field), NULL, max(f.version)
FROM (
    SELECT coalesce(a.account_name, (SELECT n.former_name FROM public.former_names AS n
            WHERE n.stream_id = v.stream_id ORDER BY n.position DESC LIMIT 1)) AS account_name,
        v.data ->> 'exchange' AS exchange, (v.data ->> 'subaccount_index')::integer AS subaccount_index,
        v.data ->> 'permission' AS permission, s.key AS field,
        (v.data ->> 'version')::integer AS version
    FROM jsonb_each(%(secrets)s) AS s
    CROSS JOIN LATERAL (
        SELECT e.stream_id, e.data
        FROM public.audit_events AS e
        WHERE (e.event_type IN
                ('CredentialAdded', 'CredentialReplaced', 'CredentialPrepared')) IS TRUE
            AND e.data::jsonb -> 'fingerprints' @> jsonb_build_object(s.key, s.value)
        OFFSET 0) AS v
    LEFT JOIN public.accounts AS a ON a.id = v.stream_id
    WHERE NOT EXISTS (
            SELECT FROM public.account_exchange_credentials AS holder
            WHERE holder.id = (v.data ->> 'credential_id')::uuid
                AND holder.data_key_id = (v.data ->> 'data_key_id')::uuid)
        AND NOT EXISTS (
            SELECT FROM public.account_exchange_credentials AS own
            WHERE own.id = %(credential_id)s AND own.account_id = v.stream_id
                AND own.permission = v.data ->> 'permission'
                AND own.subaccount_index IS NOT DISTINCT FROM
                    (v.data ->> 'subaccount_index')::integer)
) AS f
GROUP BY f.account_name, f.exchange, f.subaccount_index, f.permission

-- name: accounts_of_names
-- The accounts that have one of these names, in lower case.
SELECT a.account_name FROM public.accounts AS a WHERE lower(a.account_name) = ANY (%(names)s::text[])
