-- What a later migration says that gives accounts another column, with a rule: only its own part.
ALTER TABLE public.accounts ADD COLUMN IF NOT EXISTS colour VARCHAR(20);
GRANT INSERT (colour), UPDATE (colour) ON public.accounts TO registry_operator;

CREATE OR REPLACE FUNCTION public.projections_tighten_099() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ALTER TABLE public.accounts ADD CONSTRAINT accounts_colour_is_said CHECK (colour <> '');
END
$$;
ALTER FUNCTION public.projections_tighten_099 OWNER TO registry_owner;
REVOKE ALL ON FUNCTION public.projections_tighten_099 FROM PUBLIC;

DO $rules$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
               WHERE k.conrelid = 'public.accounts'::regclass
                   AND k.conname = 'accounts_account_name_is_clean') THEN
        PERFORM public.projections_tighten_099();
    END IF;
END
$rules$;
