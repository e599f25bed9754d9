DROP TRIGGER IF EXISTS audit_events_exchange_variables ON public.audit_events;
DROP FUNCTION IF EXISTS public.exchange_variables_check();
DROP FUNCTION IF EXISTS public.can_carry_a_credential(text, text);
