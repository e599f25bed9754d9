-- What any login can do, bots' too, and leave behind.

-- Large objects are no part of the registry. Their owners' roles would be missing where a dump is
-- restored. Where they are used already they stay, and so they do where this login may not forbid them.
DO $large_objects$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_largeobject_metadata)
        AND (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user)
    THEN
        REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid),
            pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
END
$large_objects$;

-- Who has appended holds the log until the transaction ends, and everybody waits for it. The server
-- ends a session that then stands still. A session can unset this limit, and is told by doctor.
CREATE OR REPLACE FUNCTION public.limit_idle_time() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    limited constant interval := current_setting('idle_in_transaction_session_timeout')::interval;
BEGIN
    IF limited = '0' OR limited > '30 s' THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '30s', TRUE);
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION public.limit_idle_time OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.limit_idle_time FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_limit_idle_time
    AFTER INSERT ON public.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.limit_idle_time();

-- How many other active accounts received this version of a credential. A bot is not told of others.
CREATE OR REPLACE FUNCTION public.other_users(
    p_account_id uuid, p_owner_id uuid, p_exchange_id integer, p_credential_id uuid, p_version integer
) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
    users uuid[] := ARRAY(
        SELECT s.primary_account_id FROM public.account_exchange_sharing AS s
        WHERE s.shared_account_id = p_owner_id AND s.exchange_id = p_exchange_id);
BEGIN
    users := array_remove(users || p_owner_id, p_account_id);
    IF users = '{}' OR public.session_is_bot() THEN
        RETURN 0;
    END IF;
    RETURN (
        SELECT count(*)
        FROM public.accounts AS a
        WHERE a.id = ANY (users) AND a.is_active
            AND EXISTS (
                SELECT FROM public.audit_events AS e
                WHERE e.data ->> 'credential_id' = p_credential_id::text
                    AND e.data ->> 'credential_version' = p_version::text AND e.stream_id = a.id
                -- One look into the index for each account, not a join with all releases.
                OFFSET 0));
END
$$;
ALTER FUNCTION public.other_users OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.other_users FROM PUBLIC;
