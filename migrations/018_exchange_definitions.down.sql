DROP FUNCTION IF EXISTS public.require_fields(integer, text[]);
DROP FUNCTION IF EXISTS public.require_definition(uuid, integer);
