-- The events of a proof.

-- name: credential_positions
-- All events of the credentials that a slot ever held, by position, within a size of the log.
WITH held AS (
    SELECT t.position, t.credential_id
    FROM public.audit_trail AS t
    WHERE t.stream_type = 'account' AND t.stream_id = %(account_id)s
        AND t.credential_id IS NOT NULL
        AND t.exchange = %(exchange)s
        AND (%(subaccount_index)s::integer IS NULL
            OR t.data -> 'subaccount_index' = to_jsonb(%(subaccount_index)s::integer))
        AND (%(permission)s::text IS NULL OR t.data ->> 'permission' = %(permission)s)
)
SELECT h.position, h.credential_id FROM held AS h WHERE h.position < %(size)s
UNION
SELECT t.position, t.credential_id
FROM public.audit_trail AS t
WHERE t.stream_type = 'release'
    AND (t.stream_id = %(account_id)s OR t.related_account_id = %(account_id)s)
    AND t.credential_id IN (SELECT h.credential_id FROM held AS h)
    AND t.position < %(size)s
ORDER BY position
