-- The history. `{…}` are parts that several statements share.

-- name: columns
-- The shown columns of an event: never a token.
t.position, t.stream_type, t.stream_id, t.stream_version, t.event_type, t.data, t.actor,
    t.reason, t.command_id, t.related_account_id, t.occurred_at, t.recorded_at, t.recorded_by,
    a.account_name, r.account_name AS related_account_name,
    CASE WHEN t.event_type IN (
            'AccountUpdated', 'CredentialUpdated', 'CredentialReplaced', 'SharingChanged')
        THEN ({previous}) END AS previous

-- name: previous
-- What a change changed: of each name, what the last event that said something of it said.
SELECT jsonb_object_agg(n.name, (
    SELECT b.data -> n.name FROM public.audit_trail AS b
    WHERE b.stream_type = t.stream_type AND b.stream_id = t.stream_id
        AND b.stream_version < t.stream_version
        AND b.event_type IN ('AccountCreated', 'AccountRestored', 'AccountUpdated',
            'CredentialAdded', 'CredentialReplaced', 'CredentialUpdated',
            'SharingGranted', 'SharingChanged')
        AND b.credential_id IS NOT DISTINCT FROM t.credential_id
        AND b.exchange IS NOT DISTINCT FROM t.exchange
        AND (b.data ? n.name
            OR b.event_type IN ('AccountCreated', 'AccountRestored', 'CredentialAdded'))
    ORDER BY b.stream_version DESC LIMIT 1))
FROM unnest(%(changeable)s::text[]) AS n (name)
WHERE t.data ? n.name

-- name: conditions
(%(exchange)s::text IS NULL OR t.exchange = %(exchange)s)
    AND (%(credential_id)s::text IS NULL OR t.credential_id = %(credential_id)s)
    AND (%(subaccount)s::text IS NULL OR t.data ->> 'subaccount_index' = %(subaccount)s)
    AND (%(permission)s::text IS NULL OR t.data ->> 'permission' = %(permission)s)
    AND (%(event_type)s::text IS NULL OR t.event_type = %(event_type)s)
    AND (%(actor)s::text IS NULL OR t.actor = %(actor)s)
    AND (%(command_id)s::uuid IS NULL OR t.command_id = %(command_id)s)
    AND t.position >= %(from)s AND t.position < %(to)s

-- name: about
-- About an account: its own events, its releases, and events of other accounts that concern it.
(%(account_id)s::uuid IS NULL OR t.stream_id = %(account_id)s
        OR t.related_account_id = %(account_id)s)

-- name: show
-- The events at the positions that another statement finds, oldest first.
SELECT {columns}{more}
FROM ({positions}) AS p
JOIN public.audit_trail AS t ON t.position = p.position
LEFT JOIN public.accounts AS a ON a.id = t.stream_id
LEFT JOIN public.accounts AS r ON r.id = t.related_account_id
ORDER BY t.position

-- name: newest
-- The newest matching events, of any stream.
SELECT t.position FROM public.audit_trail AS t
WHERE {about} AND {conditions}
ORDER BY t.position DESC
LIMIT %(limit)s

-- name: newest_by_span
-- The same, span by span, which is the order of the index of a filter.
SELECT t.position FROM public.audit_trail AS t
WHERE {conditions}
    AND t.position >> {span} BETWEEN %(from)s::bigint >> {span} AND %(to)s::bigint >> {span}
ORDER BY t.position >> {span} DESC, t.position DESC
LIMIT %(limit)s

-- name: newest_of_an_account
-- The newest of an account's own events, its releases, and related events of other accounts.
-- Releases can be many, and are read only if their event types are wanted.
SELECT own.position FROM (
    (SELECT t.position FROM public.audit_trail AS t
     WHERE t.stream_type = 'account' AND t.stream_id = %(account_id)s AND {conditions}
         AND (%(event_type)s::text IS NULL
             OR %(event_type)s NOT IN ('CredentialReleased', 'EnvironmentFallbackUsed'))
     ORDER BY t.stream_version DESC LIMIT %(limit)s)
    UNION
    (SELECT t.position FROM public.audit_trail AS t
     WHERE t.stream_type = 'release' AND t.stream_id = %(account_id)s AND {conditions}
         AND (%(event_type)s::text IS NULL
             OR %(event_type)s IN ('CredentialReleased', 'EnvironmentFallbackUsed'))
     ORDER BY t.stream_version DESC LIMIT %(limit)s)
    UNION
    (SELECT t.position FROM public.audit_trail AS t
     WHERE t.related_account_id = %(account_id)s AND {conditions}
     ORDER BY t.position DESC LIMIT %(limit)s)
) AS own
ORDER BY own.position DESC
LIMIT %(limit)s

-- name: between
-- Matching events between two positions.
SELECT t.position FROM public.audit_trail AS t
WHERE {about} AND {conditions}
    AND (%(types)s::text[] IS NULL OR t.event_type = ANY (%(types)s))

-- name: account_of_credential
SELECT c.account_id FROM public.credential_overview AS c WHERE c.id = %(credential_id)s
