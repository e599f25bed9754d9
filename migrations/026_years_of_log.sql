-- Indexes that stay small in a log of years, nearly all of which is releases.
--
-- An index entry with a position is different from all others. With a *span* of positions in its
-- place, the entries of a span are equal, and PostgreSQL stores equal entries once, with six bytes for
-- each row. A reader gets the newest span first, and sorts its rows. So a span is long where a value
-- is rare (2^14 positions for an actor, 2^16 for a release), and short where it may be common (2^8).
--
-- In a long log, making an index takes a while, and appends wait for it. docs/operations.md says how
-- to make these before, without that.

CREATE INDEX IF NOT EXISTS audit_events_by_actor ON public.audit_events (actor, (position >> 14));
CREATE INDEX IF NOT EXISTS audit_events_by_type ON public.audit_events (event_type, (position >> 8));
CREATE INDEX IF NOT EXISTS audit_events_by_exchange
    ON public.audit_events ((data ->> 'exchange'), (position >> 8))
    WHERE data ->> 'exchange' IS NOT NULL;

-- Who received a version of a credential, and when last. (See 010 for the condition.)
CREATE INDEX IF NOT EXISTS audit_events_by_release
    ON public.audit_events (
        (data ->> 'credential_id'), (data ->> 'credential_version'), stream_id, (position >> 16))
    WHERE data ->> 'credential_version' IS NOT NULL;

-- Events that may change a row in another way than the newest release does.
CREATE INDEX IF NOT EXISTS audit_events_changes ON public.audit_events (position)
    WHERE event_type NOT IN ('CredentialReleased', 'CredentialChecked', 'EnvironmentFallbackUsed');

DROP INDEX IF EXISTS public.audit_events_actor;
DROP INDEX IF EXISTS public.audit_events_event_type;
DROP INDEX IF EXISTS public.audit_events_exchange;
DROP INDEX IF EXISTS public.audit_events_released_credential;

-- The newest release of each version of a credential to each account, among the first events of
-- the log: its position. From one to the next by the index, however many releases there are.
CREATE OR REPLACE FUNCTION public.newest_releases(p_size bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    WITH RECURSIVE released (credential, version, account) AS (
        (SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id
         FROM public.audit_events AS e
         WHERE e.data ->> 'credential_version' IS NOT NULL
         ORDER BY 1, 2, 3
         LIMIT 1)
        UNION ALL
        SELECT following.*
        FROM released AS r
        CROSS JOIN LATERAL (
            SELECT e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id
            FROM public.audit_events AS e
            WHERE e.data ->> 'credential_version' IS NOT NULL
                AND (e.data ->> 'credential_id', e.data ->> 'credential_version', e.stream_id)
                    > (r.credential, r.version, r.account)
            ORDER BY 1, 2, 3
            LIMIT 1) AS following
    )
    SELECT newest.position
    FROM released AS r
    CROSS JOIN LATERAL (
        SELECT e.position
        FROM public.audit_events AS e
        WHERE e.data ->> 'credential_id' = r.credential
            AND e.data ->> 'credential_version' = r.version
            AND e.stream_id = r.account
            AND e.position >> 16 <= (p_size - 1) >> 16 AND e.position < p_size
        ORDER BY e.position >> 16 DESC, e.position DESC
        LIMIT 1) AS newest
$$;
ALTER FUNCTION public.newest_releases OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.newest_releases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.newest_releases TO registry_operator, registry_auditor;
