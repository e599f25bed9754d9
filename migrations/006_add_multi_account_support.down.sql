-- Takes the projections down. The log and the data keys stay, so migrating up again
-- and rebuilding brings every row back.
ALTER TABLE IF EXISTS public.strategy_positions DROP COLUMN IF EXISTS account_id;
DROP TABLE IF EXISTS public.account_exchange_sharing;
DROP TABLE IF EXISTS public.account_exchange_credentials;
DROP TABLE IF EXISTS public.accounts;
DROP FUNCTION IF EXISTS public.projections_tighten();
DROP FUNCTION IF EXISTS public.projections_tighten_006();
DROP FUNCTION IF EXISTS public.projections_loosen();
