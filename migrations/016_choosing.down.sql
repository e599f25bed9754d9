-- The other functions are those of former migrations, and go with those.
DROP FUNCTION IF EXISTS public.request_release(
    text, text[], jsonb, text, text, text, text, text, text, text[]);
DROP FUNCTION IF EXISTS public.wanted_subaccount(jsonb, text);
