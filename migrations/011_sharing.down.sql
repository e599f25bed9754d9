DROP TRIGGER IF EXISTS account_exchange_sharing_rules ON public.account_exchange_sharing;
DROP TRIGGER IF EXISTS account_exchange_credentials_lent ON public.account_exchange_credentials;
DROP FUNCTION IF EXISTS public.sharing_check();
DROP FUNCTION IF EXISTS public.sharing_keeps_credential();
