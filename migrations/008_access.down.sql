DROP FUNCTION IF EXISTS public.session_account_locked(text);
DROP FUNCTION IF EXISTS public.session_account(text);
DROP FUNCTION IF EXISTS public.session_is_bot();
DROP FUNCTION IF EXISTS public.session_accounts();
DROP FUNCTION IF EXISTS public.session_may_use(uuid);
DROP TABLE IF EXISTS public.account_access;
