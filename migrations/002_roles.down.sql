-- The roles stay: they belong to the server, and another database may use them.
REVOKE ALL ON SCHEMA public FROM registry_owner, registry_operator, registry_auditor, registry_bot;
REVOKE ALL ON public.dexes FROM registry_owner, registry_operator, registry_auditor;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM registry_operator;
