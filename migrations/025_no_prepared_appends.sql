-- A transaction that was prepared for two-phase commit keeps the log without a session, so that nobody
-- could end it. A transaction that has sent a notification cannot be prepared.
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
