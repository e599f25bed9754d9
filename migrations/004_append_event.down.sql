DROP FUNCTION IF EXISTS public.append_event(
    uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid, timestamptz);
DROP FUNCTION IF EXISTS public.audit_write(
    bigint, bytea[], timestamptz, uuid, text, uuid, integer, text, integer, json, text, text, uuid,
    integer, bytea, uuid, timestamptz);
DROP FUNCTION IF EXISTS public.audit_leaf(
    bigint, uuid, text, uuid, integer, text, integer, json, text, text, uuid, integer, bytea, uuid,
    timestamptz, timestamptz, text);
DROP FUNCTION IF EXISTS public.event_is_well_formed(text, integer, text, jsonb);
