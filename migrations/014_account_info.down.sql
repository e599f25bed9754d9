DROP FUNCTION IF EXISTS public.account_info(text, uuid);
