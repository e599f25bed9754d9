-- The functions of former migrations that are changed here go with those.
DROP FUNCTION IF EXISTS public.collect_version(uuid);
DROP FUNCTION IF EXISTS public.request_version(
    text, text, integer, jsonb, text, text, text, text, text, text, text[]);
DROP FUNCTION IF EXISTS public.require_not_held(uuid, integer[], boolean);
DROP FUNCTION IF EXISTS public.versions_held(uuid);
DROP VIEW IF EXISTS public.credential_versions;
DROP TABLE IF EXISTS public.account_exchange_credential_versions;
DROP INDEX IF EXISTS public.audit_events_by_holder;
DROP INDEX IF EXISTS public.audit_events_sealed;
