-- Reading the history quickly, following it, and changing wrapped keys only with an event.

CREATE INDEX IF NOT EXISTS audit_events_actor ON public.audit_events (actor, position);
CREATE INDEX IF NOT EXISTS audit_events_event_type ON public.audit_events (event_type, position);
CREATE INDEX IF NOT EXISTS audit_events_exchange
    ON public.audit_events ((data ->> 'exchange'), position) WHERE data ->> 'exchange' IS NOT NULL;

-- Which versions of credentials hold a value, by its fingerprint. (IS TRUE keeps the planner, who
-- may not know yet how many events there are, from taking the index of event types instead.)
CREATE INDEX IF NOT EXISTS audit_events_fingerprints
    ON public.audit_events USING gin ((data::jsonb -> 'fingerprints') jsonb_path_ops)
    WITH (fastupdate = off)
    WHERE (event_type IN ('CredentialAdded', 'CredentialReplaced')) IS TRUE;

-- Wakes those who follow the log. The message is empty: positions are gapless, so whoever
-- wakes reads on from the last position it has seen, and a lost message loses nothing.
-- A message costs a commit about as much as the append itself, so it is sent only while
-- somebody follows: followers share an advisory lock, which keeps an append from taking it.
-- (The trigger asks, not the function, which would be called with each append. It names all it
-- calls, so it sets no search_path of its own.)
CREATE OR REPLACE FUNCTION public.audit_wake_followers() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Any login can fill the queue, and keep it full; then the commit would fail. Followers
    -- look for themselves now and then.
    IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5 THEN
        NOTIFY account_registry_events;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION public.audit_wake_followers OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_wake_followers FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_wake_followers
    AFTER INSERT ON public.audit_events
    FOR EACH STATEMENT WHEN (NOT pg_catalog.pg_try_advisory_xact_lock(7234117009))
    EXECUTE FUNCTION public.audit_wake_followers();

-- The data of an event that this very transaction appended. The functions below work only
-- together with such an event, so that no key is changed or destroyed without a trace.
CREATE OR REPLACE FUNCTION public.audit_event_of_this_transaction(
    p_event_id uuid, p_event_type text
) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_data json;
BEGIN
    SELECT e.data INTO found_data
    FROM public.audit_events AS e
    WHERE e.event_id = p_event_id AND e.event_type = p_event_type
        AND e.xmin = pg_current_xact_id_if_assigned()::xid;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'RG005',
            MESSAGE = format('keys change only together with a %s event of the same transaction',
                p_event_type),
            HINT = 'Use the commands rotate-master-key and destroy-secrets.';
    END IF;
    RETURN found_data;
END
$$;
ALTER FUNCTION public.audit_event_of_this_transaction OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.audit_event_of_this_transaction FROM PUBLIC;

-- Puts data keys under another master key: each token is replaced if it is still the one
-- that was read. Returns how many were.
CREATE OR REPLACE FUNCTION public.rewrap_data_keys(
    p_event_id uuid, p_ids uuid[], p_before text[], p_after text[], p_master_key_id text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed integer;
BEGIN
    PERFORM public.audit_event_of_this_transaction(p_event_id, 'MasterKeyRotated');
    UPDATE public.credential_data_keys AS k
    SET wrapped_key = n.after, master_key_id = p_master_key_id
    FROM unnest(p_ids, p_before, p_after) AS n (id, before, after)
    WHERE k.id = n.id AND k.wrapped_key = n.before;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
ALTER FUNCTION public.rewrap_data_keys OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.rewrap_data_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.rewrap_data_keys TO registry_operator;

CREATE OR REPLACE FUNCTION public.rewrap_registry_key(
    p_event_id uuid, p_purpose text, p_before text, p_after text, p_master_key_id text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed integer;
BEGIN
    PERFORM public.audit_event_of_this_transaction(p_event_id, 'MasterKeyRotated');
    UPDATE public.registry_keys AS k
    SET wrapped_key = p_after, master_key_id = p_master_key_id
    WHERE k.purpose = p_purpose AND k.wrapped_key = p_before;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
ALTER FUNCTION public.rewrap_registry_key OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.rewrap_registry_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.rewrap_registry_key TO registry_operator;

-- Deletes the data keys that a CredentialSecretsDestroyed event names, and only those of
-- its own credential: what they sealed can never be read again.
CREATE OR REPLACE FUNCTION public.destroy_data_keys(p_event_id uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event json := public.audit_event_of_this_transaction(
        p_event_id, 'CredentialSecretsDestroyed');
    destroyed integer;
BEGIN
    DELETE FROM public.credential_data_keys AS k
    USING json_array_elements_text(event -> 'data_key_ids') AS named (id)
    WHERE k.id = named.id::uuid AND k.credential_id = (event ->> 'credential_id')::uuid;
    GET DIAGNOSTICS destroyed = ROW_COUNT;
    RETURN destroyed;
END
$$;
ALTER FUNCTION public.destroy_data_keys OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.destroy_data_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.destroy_data_keys TO registry_operator;

-- The sessions that hold the head of the log, so that all who append wait. Those who wait for its
-- row have a lock on the tuple; what else a session may wait for does not matter. (State, start and
-- address are told if registry_owner is a member of pg_read_all_stats.)
CREATE OR REPLACE FUNCTION public.log_holders() RETURNS TABLE (
    pid integer, role text, application text, client text, state text, started timestamptz,
    since timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.pid, a.usename::text, a.application_name, host(a.client_addr), a.state,
        a.backend_start, a.xact_start
    FROM (
        SELECT l.pid
        FROM pg_locks AS l
        WHERE l.relation = 'public.audit_head'::regclass
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        GROUP BY l.pid
        HAVING bool_or(l.granted AND l.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock'))
            AND NOT bool_or(l.locktype = 'tuple')
    ) AS l
    JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE a.pid <> pg_backend_pid() AND a.usename IS NOT NULL
$$;
ALTER FUNCTION public.log_holders OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.log_holders FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.log_holders TO registry_operator, registry_auditor;

-- Ends a session that holds the head of the log, and no other one: operators need not have the
-- right to end any. False if it does not hold it (any more).
CREATE OR REPLACE FUNCTION public.end_log_holder(
    p_pid integer, p_started timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (
            SELECT FROM public.log_holders() AS h
            WHERE h.pid = p_pid AND h.started IS NOT DISTINCT FROM p_started)
        AND pg_terminate_backend(p_pid, 5000);
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('registry_owner may not end session %s', p_pid),
        HINT = 'An administrator permits it with: GRANT pg_signal_backend TO registry_owner. '
            'The session of a superuser can be ended by a superuser only.';
END
$$;
ALTER FUNCTION public.end_log_holder OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.end_log_holder FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.end_log_holder TO registry_operator;

DO $permit$
BEGIN
    IF NOT pg_has_role('registry_owner', 'pg_signal_backend', 'USAGE')
        OR NOT pg_has_role('registry_owner', 'pg_read_all_stats', 'USAGE')
    THEN
        GRANT pg_signal_backend, pg_read_all_stats TO registry_owner;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;  -- whoever may not grant it need not: end_log_holder says what is missing
END
$permit$;

-- Which other credentials hold a secret of this one now: told by fingerprints, p_secrets and
-- p_public, each {field: fingerprint}. One of another account is refused (RG031), unless a public
-- value says that it is another account at the exchange, or p_allowed that it is meant.
-- A command asks after its own events, and so under the lock of the head: of two that store one
-- secret at once, the second finds it.
CREATE OR REPLACE FUNCTION public.holders_of_secrets(
    p_credential_id uuid, p_account text, p_secrets jsonb, p_public jsonb, p_allowed boolean
) RETURNS TABLE (account_name text, exchange text, subaccount_index integer, permission text,
    fields text, is_elsewhere boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
BEGIN
    FOR account_name, exchange, subaccount_index, permission, fields, is_elsewhere IN
        WITH versions AS MATERIALIZED (
            SELECT s.key AS field, e.stream_id, e.data
            FROM jsonb_each(p_secrets) AS s
            CROSS JOIN LATERAL (
                SELECT v.stream_id, v.data
                FROM public.audit_events AS v
                WHERE (v.event_type IN ('CredentialAdded', 'CredentialReplaced')) IS TRUE
                    AND v.data::jsonb -> 'fingerprints' @> jsonb_build_object(s.key, s.value)
                OFFSET 0) AS e
        )
        SELECT a.account_name, d.name, c.subaccount_index, c.permission,
            string_agg(DISTINCT v.field, ' and ' ORDER BY v.field),
            bool_or(EXISTS (SELECT FROM jsonb_each_text(p_public) AS p
                WHERE v.data -> 'fingerprints' ->> p.key <> p.value))
        FROM versions AS v
        JOIN public.account_exchange_credentials AS c
            ON c.id = (v.data ->> 'credential_id')::uuid AND c.account_id = v.stream_id
            AND c.data_key_id = (v.data ->> 'data_key_id')::uuid
        JOIN public.accounts AS a ON a.id = c.account_id
        JOIN public.dexes AS d ON d.id = c.exchange_id
        WHERE c.id <> p_credential_id
        GROUP BY a.account_name, d.name, c.subaccount_index, c.permission
        ORDER BY a.account_name, c.permission, c.subaccount_index NULLS FIRST
    LOOP
        IF account_name <> p_account AND NOT is_elsewhere AND NOT p_allowed THEN
            RAISE EXCEPTION USING ERRCODE = 'RG031',
                MESSAGE = format('account %s holds the same %s for %s', account_name, fields, exchange),
                HINT = format('If both are to hold it, add --allow-shared-secret. '
                    'Or let %1$s borrow it: account-registry share %1$s %2$s %3$s',
                    p_account, account_name, exchange);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
ALTER FUNCTION public.holders_of_secrets OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.holders_of_secrets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.holders_of_secrets TO registry_operator;
