DROP FUNCTION IF EXISTS public.projections_tighten_099();
ALTER TABLE public.accounts DROP COLUMN IF EXISTS colour;
