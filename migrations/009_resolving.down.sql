DROP FUNCTION IF EXISTS public.exchanges_of(uuid);
DROP FUNCTION IF EXISTS public.resolve_credential(uuid, integer, integer, text, text);
DROP FUNCTION IF EXISTS public.share_allows(text, text, boolean);
DROP FUNCTION IF EXISTS public.pick_credential(uuid, integer, integer, text);
