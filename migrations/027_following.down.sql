DROP TRIGGER IF EXISTS audit_events_wake_bots ON public.audit_events;
DROP FUNCTION IF EXISTS public.audit_wake_bots();
DROP FUNCTION IF EXISTS public.account_digests(text, text[], jsonb, text, text, text);
