-- The functions are of former migrations, and go with those.
DROP INDEX IF EXISTS public.audit_events_checked_credential;
