-- Run only by `migrate down --purge`: this is what destroys the log.
DROP VIEW IF EXISTS public.former_names;
DROP VIEW IF EXISTS public.audit_trail;
DROP TABLE IF EXISTS public.audit_events;
DROP TABLE IF EXISTS public.audit_head;
DROP FUNCTION IF EXISTS public.audit_refuse_change();
