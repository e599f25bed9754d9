DROP TRIGGER IF EXISTS zzz_strategy_positions_updated_at ON public.strategy_positions;
DROP FUNCTION IF EXISTS public.position_updated_at();
