-- The functions that ask account_allows are of former migrations, and go with those.
DROP TRIGGER IF EXISTS strategy_positions_insert_only_allowed ON public.strategy_positions;
DROP TRIGGER IF EXISTS strategy_positions_update_only_allowed ON public.strategy_positions;
DROP TRIGGER IF EXISTS account_exchange_credentials_allowed ON public.account_exchange_credentials;
DROP TRIGGER IF EXISTS account_exchange_sharing_allowed ON public.account_exchange_sharing;
DROP FUNCTION IF EXISTS public.position_exchanges();
DROP FUNCTION IF EXISTS public.allowed_exchange_check();
DROP FUNCTION IF EXISTS public.require_allowed(uuid, integer);
DROP FUNCTION IF EXISTS public.account_allows(uuid, integer);
