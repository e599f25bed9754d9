DROP FUNCTION IF EXISTS public.end_log_holder(integer, timestamptz);
DROP FUNCTION IF EXISTS public.log_holders();
DROP FUNCTION IF EXISTS public.holders_of_secrets(uuid, text, jsonb, jsonb, boolean);
DROP FUNCTION IF EXISTS public.destroy_data_keys(uuid);
DROP FUNCTION IF EXISTS public.rewrap_registry_key(uuid, text, text, text, text);
DROP FUNCTION IF EXISTS public.rewrap_data_keys(uuid, uuid[], text[], text[], text);
DROP FUNCTION IF EXISTS public.audit_event_of_this_transaction(uuid, text);
DROP TRIGGER IF EXISTS audit_events_wake_followers ON public.audit_events;
DROP FUNCTION IF EXISTS public.audit_wake_followers();

DROP INDEX IF EXISTS public.audit_events_fingerprints;
DROP INDEX IF EXISTS public.audit_events_exchange;
DROP INDEX IF EXISTS public.audit_events_event_type;
DROP INDEX IF EXISTS public.audit_events_actor;
