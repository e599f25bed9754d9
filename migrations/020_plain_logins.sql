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
-- A transaction that was prepared for two-phase commit would keep the log without a session, so that
-- nobody could end it. One that has sent a notification cannot be prepared.
CREATE OR REPLACE FUNCTION public.limit_idle_time() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    limited constant interval := current_setting('idle_in_transaction_session_timeout')::interval;
BEGIN
    IF limited = '0' OR limited > '30 s' THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '30s', TRUE);
    END IF;
    -- Any login can fill the queue; then the commit would fail.
    IF current_setting('max_prepared_transactions')::integer > 0
        AND pg_notification_queue_usage() < 0.5
    THEN
        NOTIFY account_registry_not_prepared;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION public.limit_idle_time OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.limit_idle_time FROM PUBLIC;

CREATE OR REPLACE TRIGGER audit_events_limit_idle_time
    AFTER INSERT ON public.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.limit_idle_time();
