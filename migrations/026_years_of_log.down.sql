DROP FUNCTION IF EXISTS public.newest_releases(bigint);

CREATE INDEX IF NOT EXISTS audit_events_actor ON public.audit_events (actor, position);
CREATE INDEX IF NOT EXISTS audit_events_event_type ON public.audit_events (event_type, position);
CREATE INDEX IF NOT EXISTS audit_events_exchange
    ON public.audit_events ((data ->> 'exchange'), position) WHERE data ->> 'exchange' IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_events_released_credential
    ON public.audit_events ((data ->> 'credential_id'), (data ->> 'credential_version'), stream_id)
    WHERE data ->> 'credential_version' IS NOT NULL;

DROP INDEX IF EXISTS public.audit_events_changes;
DROP INDEX IF EXISTS public.audit_events_by_release;
DROP INDEX IF EXISTS public.audit_events_by_exchange;
DROP INDEX IF EXISTS public.audit_events_by_type;
DROP INDEX IF EXISTS public.audit_events_by_actor;
