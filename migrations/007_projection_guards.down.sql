DROP VIEW IF EXISTS public.credential_overview;
DROP TRIGGER IF EXISTS accounts_only_by_event ON public.accounts;
DROP TRIGGER IF EXISTS account_exchange_credentials_only_by_event
    ON public.account_exchange_credentials;
DROP TRIGGER IF EXISTS account_exchange_sharing_only_by_event ON public.account_exchange_sharing;
DROP FUNCTION IF EXISTS public.projection_refuse_direct_write();
REVOKE ALL ON public.strategy_positions, public.symbols FROM registry_operator, registry_auditor;
