-- The functions of former migrations that are changed here go with those.
DROP FUNCTION IF EXISTS public.request_release(text, text[], integer, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS public.request_releases(
    text, text[], jsonb, text, text, text, text, text, text, text[]);
DROP FUNCTION IF EXISTS public.wanted_subaccount(jsonb, text);
