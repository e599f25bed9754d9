-- The views, each as a relation of its columns and of what every view has for its filters:
--   names      the accounts of a row
--   exchanges  the exchanges of a row
--   state      one of the states that `described` lists, in the order of their urgency
--   searched   the texts that a search looks at
--   place      the order of the rows of one state and account

-- name: page
-- One page of a view. Stops, and how much of its limits each account uses, are read once.
-- A limit is a number as `position_limits` reads it; what is no number is no limit here.
WITH stops AS MATERIALIZED (SELECT s.position, s.stop FROM public.stops_in_force AS s),
used AS (
    SELECT u.*, u.usd / nullif(u.max_exposure_usd, 0) AS of_limit,
        CASE WHEN u.usd > 0 AND u.max_exposure_usd = 0 OR u.positions > 0 AND u.max_positions = 0
            THEN 1
            ELSE greatest(u.usd / nullif(u.max_exposure_usd, 0),
                u.positions / nullif(u.max_positions, 0)) END AS most
    FROM (
        SELECT a.id AS account_id, coalesce(p.positions, 0) AS positions,
            coalesce(p.usd, 0) AS usd,
            CASE WHEN a.metadata ->> 'max_positions' ~ '^[0-9]{{1,30}}(\.[0-9]{{1,30}})?$'
                THEN (a.metadata ->> 'max_positions')::numeric END AS max_positions,
            CASE WHEN a.metadata ->> 'max_exposure_usd' ~ '^[0-9]{{1,30}}(\.[0-9]{{1,30}})?$'
                THEN (a.metadata ->> 'max_exposure_usd')::numeric END AS max_exposure_usd
        FROM public.accounts AS a
        LEFT JOIN (
            SELECT o.account_id, count(*) AS positions, sum(abs(o.size_usd)) AS usd
            FROM public.strategy_positions AS o
            WHERE o.status IS DISTINCT FROM 'closed'
            GROUP BY o.account_id
        ) AS p ON p.account_id = a.id
    ) AS u),
page AS MATERIALIZED (
    SELECT count(*) OVER () AS total,
        count(*) FILTER (WHERE v.state = ANY (%(attention)s::text[])) OVER () AS attention, v.*
    FROM ({view}) AS v
    WHERE (%(account)s::text IS NULL
            OR EXISTS (SELECT FROM unnest(v.names) AS n (name) WHERE n.name LIKE %(account)s))
        AND (%(exchange)s::text IS NULL OR %(exchange)s = ANY (v.exchanges))
        AND v.state = ANY (%(states)s::text[])
        AND (%(text)s::text IS NULL OR strpos(lower(v.searched), lower(%(text)s)) > 0)
    ORDER BY {order}
    LIMIT %(size)s OFFSET %(skipped)s)
SELECT v.*{more}
FROM page AS v
ORDER BY {order}

-- name: accounts
SELECT a.account_name AS account,
    CASE WHEN NOT a.is_active THEN 'inactive'
        WHEN stopped.stop IS NOT NULL THEN 'stopped'
        WHEN k.expires_at <= moment.now THEN 'expired'
        WHEN k.failed IS NOT NULL THEN 'check failed'
        WHEN used.most >= 1 THEN 'at its limit'
        WHEN used.most >= 0.8 THEN 'near its limit'
        WHEN k.expires_at <= moment.now + %(due)s THEN 'expires soon'
        ELSE 'ok' END AS state,
    k.exchanges, coalesce(k.credentials, 0) AS credentials,
    k.expires_at AT TIME ZONE 'UTC' AS expires_at, k.expiring, k.failed,
    stopped.stop ->> 'reason' AS stop_reason,
    used.positions, used.max_positions,
    used.usd AS exposure_usd, used.max_exposure_usd, used.of_limit,
    (SELECT t.recorded_at FROM public.audit_trail AS t
     WHERE t.stream_type = 'release' AND t.stream_id = a.id
     ORDER BY t.stream_version DESC LIMIT 1) AS released_at,
    a.description,
    ARRAY[a.account_name::text] AS names, a.id AS place,
    concat_ws(E'\n', a.account_name, a.description, a.wallet_address, stopped.stop ->> 'reason')
        AS searched
FROM public.accounts AS a
CROSS JOIN (SELECT statement_timestamp() AT TIME ZONE 'UTC' AS now) AS moment
LEFT JOIN (
    SELECT c.account_id, count(*) AS credentials,
        array_agg(DISTINCT d.name::text ORDER BY d.name::text) AS exchanges,
        min(c.expires_at) FILTER (WHERE c.is_active) AS expires_at,
        (array_agg(d.name ORDER BY c.expires_at) FILTER (WHERE c.is_active))[1] AS expiring,
        min(d.name || ': ' || replace(checked.outcome, '_', ' '))
            FILTER (WHERE c.is_active AND checked.outcome = ANY (%(dead)s::text[])) AS failed
    FROM public.credential_overview AS c
    JOIN public.dexes AS d ON d.id = c.exchange_id
    LEFT JOIN LATERAL ({checked}) AS checked ON TRUE
    GROUP BY c.account_id
) AS k ON k.account_id = a.id
JOIN used ON used.account_id = a.id
LEFT JOIN LATERAL (
    SELECT s.stop FROM stops AS s
    WHERE public.stop_includes(s.stop, a.id, NULL, a.id, NULL, NULL)
    ORDER BY s.position LIMIT 1
) AS stopped ON TRUE

-- name: checked
-- The last check of a credential's version.
SELECT t.data ->> 'outcome' AS outcome, t.recorded_at,
    coalesce(nullif(t.data -> 'differences', 'null'), '[]') AS differences
FROM public.audit_trail AS t
WHERE t.event_type = 'CredentialChecked' AND t.credential_id = c.id::text
    AND t.data ->> 'version' = c.version::text
ORDER BY t.position DESC LIMIT 1

-- name: credentials
SELECT a.account_name AS account, d.name AS exchange,
    CASE WHEN NOT c.is_active OR NOT a.is_active THEN 'inactive'
        WHEN stopped.stop IS NOT NULL THEN 'stopped'
        WHEN c.expires_at <= moment.now THEN 'expired'
        WHEN checked.outcome = ANY (%(dead)s::text[]) THEN 'check failed'
        WHEN c.expires_at <= moment.now + %(due)s THEN 'expires soon'
        WHEN jsonb_array_length(checked.differences) > 0 THEN 'differs'
        ELSE 'ok' END AS state,
    c.subaccount_index AS subaccount, c.permission, c.version,
    c.expires_at AT TIME ZONE 'UTC' AS expires_at,
    replace(checked.outcome, '_', ' ') AS outcome, checked.recorded_at AS checked_at,
    c.id, c.account_id, c.exchange_id,
    c.label,
    ARRAY[a.account_name::text] AS names, ARRAY[d.name::text] AS exchanges,
    (d.name, c.permission, c.subaccount_index) AS place,
    concat_ws(E'\n', a.account_name, d.name, c.permission, c.label) AS searched
FROM public.credential_overview AS c
JOIN public.accounts AS a ON a.id = c.account_id
JOIN public.dexes AS d ON d.id = c.exchange_id
CROSS JOIN (SELECT statement_timestamp() AT TIME ZONE 'UTC' AS now) AS moment
LEFT JOIN LATERAL (
    SELECT s.stop FROM stops AS s
    WHERE public.stop_includes(s.stop, a.id, d.id, a.id, c.subaccount_index, c.permission)
    ORDER BY s.position LIMIT 1
) AS stopped ON TRUE
LEFT JOIN LATERAL ({checked}) AS checked ON TRUE

-- name: more_credentials
-- What is looked up for the rows of a page only.
, (SELECT k.created_at FROM public.credential_overview AS c
   JOIN public.credential_data_keys AS k ON k.id = c.data_key_id
   WHERE c.id = v.id) AS stored_at,
    ARRAY(SELECT DISTINCT h.name FROM (
        SELECT x.role_name::text || CASE WHEN x.account_id <> v.account_id
            THEN ' for ' || u.account_name ELSE '' END AS name
        FROM public.account_access AS x
        JOIN public.accounts AS u ON u.id = x.account_id
        WHERE x.account_id = v.account_id OR x.account_id IN (
            SELECT s.primary_account_id FROM public.account_exchange_sharing AS s
            WHERE s.shared_account_id = v.account_id AND s.exchange_id = v.exchange_id
                AND public.share_allows(s.sharing_type, v.permission, FALSE))
    ) AS h ORDER BY 1) AS may_hold,
    ARRAY(SELECT o.version || ' ' || o.state FROM public.credential_versions AS o
          WHERE o.credential_id = v.id AND o.state IN ('pending', 'grace')
          ORDER BY o.version) AS other_versions,
    ARRAY(SELECT DISTINCT h.login || ', version ' || h.version
          FROM public.versions_held(v.id) AS h ORDER BY 1) AS old_held_by

-- name: shares
SELECT b.account_name AS account, d.name AS exchange,
    CASE WHEN NOT b.is_active THEN 'borrower inactive'
        WHEN NOT l.is_active THEN 'lender inactive'
        WHEN stopped.stop IS NOT NULL THEN 'stopped'
        WHEN NOT EXISTS (
            SELECT FROM public.credential_overview AS c
            WHERE c.account_id = l.id AND c.exchange_id = d.id AND c.is_active
                AND public.share_allows(s.sharing_type, c.permission, FALSE)) THEN 'no key to lend'
        ELSE 'ok' END AS state,
    l.account_name AS lender, replace(s.sharing_type, '_', ' ') AS sharing,
    s.created_at AT TIME ZONE 'UTC' AS shared_at,
    ARRAY[b.account_name::text, l.account_name::text] AS names, ARRAY[d.name::text] AS exchanges,
    d.name AS place,
    concat_ws(E'\n', b.account_name, l.account_name, d.name, s.sharing_type) AS searched
FROM public.account_exchange_sharing AS s
JOIN public.accounts AS b ON b.id = s.primary_account_id
JOIN public.accounts AS l ON l.id = s.shared_account_id
JOIN public.dexes AS d ON d.id = s.exchange_id
LEFT JOIN LATERAL (
    SELECT s.stop FROM stops AS s
    WHERE public.stop_includes(s.stop, b.id, d.id, l.id, NULL, NULL)
    ORDER BY s.position LIMIT 1
) AS stopped ON TRUE

-- name: positions
-- A bot may have written a time outside of Python's range: it is NULL here.
SELECT a.account_name AS account,
    CASE WHEN p.status = 'closed' THEN 'closed'
        WHEN a.id IS NULL THEN 'no account'
        WHEN used.of_limit >= 1 THEN 'at its limit'
        WHEN used.of_limit >= 0.8 THEN 'near its limit'
        ELSE 'open' END AS state,
    s.symbol, long_side.name AS long_exchange, short_side.name AS short_exchange,
    p.size_usd, used.usd AS exposure_usd, used.max_exposure_usd, used.of_limit,
    p.cumulative_funding_usd AS funding_usd,
    CASE WHEN p.opened_at BETWEEN '0001-01-02' AND '9999-12-30'
        THEN p.opened_at AT TIME ZONE 'UTC' END AS opened_at,
    ARRAY[a.account_name::text] AS names,
    ARRAY[long_side.name::text, short_side.name::text] AS exchanges,
    (p.opened_at, p.id) AS place,
    concat_ws(E'\n', a.account_name, s.symbol, long_side.name, short_side.name, p.strategy_name)
        AS searched
FROM public.strategy_positions AS p
JOIN public.symbols AS s ON s.id = p.symbol_id
JOIN public.dexes AS long_side ON long_side.id = p.long_dex_id
JOIN public.dexes AS short_side ON short_side.id = p.short_dex_id
LEFT JOIN public.accounts AS a ON a.id = p.account_id
LEFT JOIN used ON used.account_id = p.account_id

-- name: releases
-- Who received what on which host lately: of the newest events of the log, grouped.
SELECT coalesce(a.account_name, r.account) AS account, r.host,
    CASE WHEN r.event_type = 'CredentialReleased' THEN 'released' ELSE 'from the environment' END
        AS state,
    r.role, r.purpose, array_agg(DISTINCT r.exchange ORDER BY r.exchange) AS exchanges,
    count(*) AS times, min(r.recorded_at) AS first_at, max(r.recorded_at) AS last_at,
    ARRAY[coalesce(a.account_name, r.account)::text] AS names,
    concat_ws(E'\n', coalesce(a.account_name, r.account), r.host, r.role, r.purpose) AS searched
FROM (
    SELECT t.stream_id, t.event_type, t.exchange, t.recorded_by AS role, t.recorded_at,
        said.account, said.host, said.purpose
    FROM public.audit_trail AS t
    CROSS JOIN LATERAL jsonb_to_record(t.data) AS said (account text, host text, purpose text)
    WHERE t.event_type IN ('CredentialReleased', 'EnvironmentFallbackUsed')
        AND t.position >= %(since)s
) AS r
LEFT JOIN public.accounts AS a ON a.id = r.stream_id
GROUP BY coalesce(a.account_name, r.account), r.host, r.event_type, r.role, r.purpose

-- name: releases_by_hour
-- How many releases there were in each hour since a moment.
SELECT h.hour, count(t.position) AS releases
FROM generate_series(
    date_trunc('hour', statement_timestamp()) - interval '23 hours',
    date_trunc('hour', statement_timestamp()), interval '1 hour') AS h (hour)
LEFT JOIN (
    SELECT t.position, date_trunc('hour', t.recorded_at) AS hour
    FROM public.audit_trail AS t
    WHERE t.event_type = 'CredentialReleased' AND t.position >= %(since)s
) AS t ON t.hour = h.hour
GROUP BY h.hour
ORDER BY h.hour

-- name: account
-- What belongs to an account itself. Of its metadata only what the registry keeps: another value
-- may be anything.
SELECT a.account_name AS account, a.id, a.description, a.wallet_address AS wallet, a.is_active,
    a.created_at AT TIME ZONE 'UTC' AS created_at, a.updated_at AT TIME ZONE 'UTC' AS updated_at,
    ARRAY(SELECT x.role_name::text FROM public.account_access AS x
          WHERE x.account_id = a.id ORDER BY 1) AS roles,
    CASE WHEN jsonb_typeof(a.metadata -> 'allowed_exchanges') = 'array'
        THEN ARRAY(SELECT jsonb_array_elements_text(a.metadata -> 'allowed_exchanges') ORDER BY 1)
        END AS allowed_exchanges
FROM public.accounts AS a
WHERE a.account_name = %(account_name)s

-- name: exchanges
-- The exchanges that something is about, for a filter.
SELECT d.name FROM public.dexes AS d
WHERE EXISTS (SELECT FROM public.credential_overview AS c WHERE c.exchange_id = d.id)
    OR EXISTS (SELECT FROM public.account_exchange_sharing AS s WHERE s.exchange_id = d.id)
    OR EXISTS (SELECT FROM public.strategy_positions AS p
               WHERE d.id IN (p.long_dex_id, p.short_dex_id))
ORDER BY d.name
