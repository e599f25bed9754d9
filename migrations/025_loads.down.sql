-- The functions of former migrations that are changed here go with those.
DROP FUNCTION IF EXISTS public.confirm_releases();
DROP FUNCTION IF EXISTS public.append_releases(
    public.audit_head, public.release_answers[], uuid, text, text, timestamptz);
DROP FUNCTION IF EXISTS public.decide_releases(
    text, uuid, text[], jsonb, text, text, text, text, text[]);
DROP FUNCTION IF EXISTS public.take_turn();
DROP FUNCTION IF EXISTS public.limit_holder();
DROP TABLE IF EXISTS public.log_marks;
DROP TABLE IF EXISTS public.release_answers;
