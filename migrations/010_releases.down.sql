DROP FUNCTION IF EXISTS public.record_fallback(text, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS public.exchange_definition(text);
DROP FUNCTION IF EXISTS public.collect_releases(uuid[]);
DROP FUNCTION IF EXISTS public.request_release(text, text[], integer, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS public.other_users(uuid, uuid, integer, uuid, integer);
DROP FUNCTION IF EXISTS public.append_release(
    uuid, text, uuid, json, text, text, uuid, integer, uuid, timestamptz);
DROP FUNCTION IF EXISTS public.release_claim(text, integer);
DROP TABLE IF EXISTS public.release_collections;
DROP INDEX IF EXISTS public.audit_events_released_credential;
